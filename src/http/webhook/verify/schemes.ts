/**
 * How providers sign their webhooks: which headers they send, what they sign, and what names a delivery.
 *
 * - `standard`: Standard Webhooks 1.0 (https://www.standardwebhooks.com), signatures `v1` (HMAC) and `v1a` (Ed25519);
 * - `github`: `X-Hub-Signature-256`, HMAC-SHA-256 of the body in hex;
 * - `stripe`: `Stripe-Signature: t=…,v1=…`, HMAC-SHA-256 of `<t>.<body>` in hex;
 * - `slack`: `X-Slack-Signature: v0=…`, HMAC-SHA-256 of `v0:<timestamp>:<body>` in hex;
 * - `shopify`: `X-Shopify-Hmac-SHA256`, HMAC-SHA-256 of the body in base64;
 * - `hmac`: any other of that kind, by its parameters;
 * - `basic` and `bearer`: `Authorization` (RFC 7617, RFC 6750).
 */
import { decodeCanonicalBase64 } from "../../../lib/base64.ts";
import { sameText } from "../../../lib/digest.ts";
import type { Verification } from "../../../workflow/definition.ts";
import { joined, signatureBytes, textBytes, verifyEd25519, verifyHmac } from "./secret_keys.ts";

/** The parts of a request that a scheme reads. */
export interface SignedRequest {
  readonly headers: Headers;
  /** The bytes as they were sent. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The check that failed: a missing or malformed header, the timestamp, or the signature (for `basic`, credentials). */
export type FailedCheck = "header" | "timestamp" | "signature";

/** A request as a scheme reads it. */
export interface Reading {
  /** When it was signed, in epoch seconds; absent where the scheme does not say. */
  readonly timestamp?: number;
  /** The provider's name of the delivery, the same when it sends it again; absent where there is none. */
  readonly deliveryId?: string;
  /** Whether one of the request's signatures is right under this secret. */
  readonly holds: (secret: string) => Promise<boolean>;
}

/** Reads a request by a scheme; `undefined` when a header that it needs is missing or malformed. */
export type Scheme = (request: SignedRequest, options: Verification) => Reading | undefined;

/** A request with more signatures is refused. */
const MOST_SIGNATURES = 16;

/** The schemes by name. */
export const SCHEMES: Readonly<Record<Verification["scheme"], Scheme>> = {
  standard({ headers, body }) {
    const [id, timestamp] = [headers.get("webhook-id") ?? "", timestampOf(headers.get("webhook-timestamp"))];
    const signatures = (headers.get("webhook-signature") ?? "").split(" ").slice(0, MOST_SIGNATURES);
    if (!isDeliveryId(id) || timestamp === undefined || signatures[0] === "") return undefined;
    const content = joined(`${id}.${timestamp}.`, body);
    const holds = (secret: string) => {
      const isPublicKey = secret.startsWith("whpk_");
      const key = decodeCanonicalBase64(secret.replace(/^wh(?:sec|pk)_/, ""));
      return anyOf(signatures, async (text) => {
        const [, version, encoded] = /^(v1a?),(.+)$/.exec(text) ?? [];
        const signature = decodeCanonicalBase64(encoded ?? "");
        if (key === undefined || signature === undefined || (version === "v1a") !== isPublicKey) return false;
        return isPublicKey
          ? await verifyEd25519(key, { signature, content })
          : await verifyHmac(key, { hash: "SHA-256", signature, content });
      });
    };
    return { timestamp, deliveryId: id, holds };
  },
  github({ headers, body }) {
    const id = headers.get("x-github-delivery") ?? "";
    return hmacOf(headers.get("x-hub-signature-256"), { prefix: "sha256=", content: body, ...deliveryOf(id) });
  },
  stripe({ headers, body }) {
    const parts = (headers.get("stripe-signature") ?? "").split(",").map((part) => part.split("="));
    if (!parts.every(([name, value, ...more]) => /^\w+$/.test(name!) && value && more.length === 0)) return undefined;
    const of = (name: string) => parts.flatMap(([key, value = ""]) => key === name ? [value] : []);
    const timestamp = timestampOf(of("t")[0]);
    const signatures = of("v1").slice(0, MOST_SIGNATURES);
    if (timestamp === undefined || of("t").length !== 1 || signatures.length === 0) return undefined;
    const content = joined(`${timestamp}.`, body);
    const holds = (secret: string) =>
      anyOf(signatures, async (text) => {
        const signature = signatureBytes(text, "hex");
        return signature !== undefined && await verifyHmac(textBytes(secret), { hash: "SHA-256", signature, content });
      });
    return { timestamp, holds, ...deliveryOf(memberOf(body, "id")) };
  },
  slack({ headers, body }) {
    const timestamp = timestampOf(headers.get("x-slack-request-timestamp"));
    if (timestamp === undefined) return undefined;
    const content = joined(`v0:${timestamp}:`, body);
    const reading = hmacOf(headers.get("x-slack-signature"), { prefix: "v0=", content });
    return reading && { ...reading, timestamp, ...deliveryOf(memberOf(body, "event_id")) };
  },
  shopify({ headers, body }) {
    const id = headers.get("x-shopify-webhook-id") ?? "";
    const header = headers.get("x-shopify-hmac-sha256");
    return hmacOf(header, { content: body, encoding: "base64", ...deliveryOf(id) });
  },
  hmac({ headers, body }, options) {
    const { header = "", prefix = "", hash = "SHA-256", encoding = "hex", timestampHeader, deliveryHeader } = options;
    const { signed = "{body}" } = options;
    const timestamp = timestampHeader === undefined ? undefined : timestampOf(headers.get(timestampHeader));
    if (timestampHeader !== undefined && timestamp === undefined) return undefined;
    const id = deliveryHeader === undefined ? "" : headers.get(deliveryHeader) ?? "";
    if (signed.includes("{delivery}") && id === "") return undefined;
    const parts = signed.split(/(\{body\}|\{timestamp\}|\{delivery\})/).map((part) =>
      part === "{body}" ? body : part === "{timestamp}" ? String(timestamp) : part === "{delivery}" ? id : part
    );
    const reading = hmacOf(headers.get(header), {
      prefix,
      hash,
      encoding,
      content: joined(...parts),
      ...deliveryOf(id),
    });
    return reading && { ...reading, ...(timestamp !== undefined && { timestamp }) };
  },
  basic({ headers }) {
    const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(headers.get("authorization") ?? "") ?? [];
    const bytes = encoded === undefined ? undefined : decodeCanonicalBase64(encoded);
    if (bytes === undefined) return undefined;
    const sent = new TextDecoder().decode(bytes);
    return { holds: (secret) => sameText(sent, secret) };
  },
  bearer({ headers }) {
    const [, token] = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "") ?? [];
    return token === undefined ? undefined : { holds: (secret) => sameText(token, secret) };
  },
};

/** A reading of one HMAC in a header. */
function hmacOf(
  header: string | null,
  options: {
    readonly content: Uint8Array<ArrayBuffer>;
    readonly prefix?: string;
    readonly hash?: "SHA-1" | "SHA-256" | "SHA-512";
    readonly encoding?: "hex" | "base64";
    readonly deliveryId?: string;
  },
): Reading | undefined {
  const { content, prefix = "", hash = "SHA-256", encoding = "hex", deliveryId } = options;
  if (header === null || !header.startsWith(prefix)) return undefined;
  const signature = signatureBytes(header.slice(prefix.length), encoding);
  if (signature === undefined) return undefined;
  const holds = (secret: string) => verifyHmac(textBytes(secret), { hash, signature, content });
  return { holds, ...(deliveryId !== undefined && { deliveryId }) };
}

/** True when one of the texts holds; all are checked, so that the time does not tell which. */
async function anyOf(texts: readonly string[], holds: (text: string) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(texts.map(holds))).includes(true);
}

/** Parses epoch seconds in canonical form. */
function timestampOf(text: string | null | undefined): number | undefined {
  return text !== null && text !== undefined && /^[1-9]\d{0,11}$/.test(text) ? Number(text) : undefined;
}

function deliveryOf(id: string): { deliveryId?: string } {
  return isDeliveryId(id) ? { deliveryId: id } : {};
}

function isDeliveryId(id: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(id);
}

/** A text member of a JSON object, or "". Callers must not trust it before the body is verified. */
function memberOf(body: Uint8Array, name: string): string {
  try {
    const value = JSON.parse(new TextDecoder().decode(body))?.[name];
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}
