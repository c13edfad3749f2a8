/**
 * Signs as providers document it, by Node's own crypto: what is verified elsewhere is made here another way.
 */
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import type { Verification } from "../../../../src/workflow/definition.ts";

/** A call that its provider has signed. */
export interface SignedCall {
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** What a call is signed with. */
export interface Signing {
  readonly secret: string;
  readonly body: string;
  /** Epoch seconds. */
  readonly at: number;
  readonly id: string;
}

const hmac = (secret: string | Uint8Array, content: string, encoding: "hex" | "base64", hash = "sha256") =>
  createHmac(hash, secret).update(content).digest(encoding);

/** An Ed25519 pair, as Standard Webhooks spells its keys. */
export function ed25519Pair() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return { publicKey: `whpk_${raw.toString("base64")}`, privateKey };
}

/** Signs by `v1a` of Standard Webhooks. */
export function signStandardAsymmetric(
  privateKey: ReturnType<typeof ed25519Pair>["privateKey"],
  { body, at, id }: Omit<Signing, "secret">,
): SignedCall {
  const signature = sign(null, new TextEncoder().encode(`${id}.${at}.${body}`), privateKey).toString("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": `v1a,${signature}` };
  return { body, headers };
}

/** Signs by each scheme; `hmac` as {@linkcode HMAC} says. */
export const SIGNERS: Readonly<Record<Verification["scheme"], (signing: Signing) => SignedCall>> = {
  standard: ({ secret, body, at, id }) => {
    const signature = hmac(Buffer.from(secret.slice("whsec_".length), "base64"), `${id}.${at}.${body}`, "base64");
    const headers = { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": `v1,${signature}` };
    return { body, headers };
  },
  github: ({ secret, body, id }) => ({
    body,
    headers: { "x-hub-signature-256": `sha256=${hmac(secret, body, "hex")}`, "x-github-delivery": id },
  }),
  stripe: ({ secret, body, at }) => ({
    body,
    headers: { "stripe-signature": `t=${at},v1=${hmac(secret, `${at}.${body}`, "hex")}` },
  }),
  slack: ({ secret, body, at }) => ({
    body,
    headers: {
      "x-slack-request-timestamp": String(at),
      "x-slack-signature": `v0=${hmac(secret, `v0:${at}:${body}`, "hex")}`,
    },
  }),
  shopify: ({ secret, body, id }) => ({
    body,
    headers: { "x-shopify-hmac-sha256": hmac(secret, body, "base64"), "x-shopify-webhook-id": id },
  }),
  hmac: ({ secret, body, at, id }) => ({
    body,
    headers: {
      "x-sent": String(at),
      "x-delivery": id,
      "x-sign": `v9=${hmac(secret, `${id}/${at}/${body}`, "base64", "sha512")}`,
    },
  }),
  basic: ({ secret, body }) => ({ body, headers: { authorization: `Basic ${btoa(secret)}` } }),
  bearer: ({ secret, body }) => ({ body, headers: { authorization: `Bearer ${secret}` } }),
};

/** The parameters of the scheme `hmac` that {@linkcode SIGNERS} signs by. */
export const HMAC = {
  header: "x-sign",
  prefix: "v9=",
  hash: "SHA-512",
  encoding: "base64",
  signed: "{delivery}/{timestamp}/{body}",
  timestampHeader: "x-sent",
  deliveryHeader: "x-delivery",
} as const;

/** A verification by a scheme, with one secret. */
export function verification(scheme: Verification["scheme"], more: Partial<Verification> = {}): Verification {
  return { scheme, secrets: ["env:HOOK"], toleranceSeconds: 300, ...(scheme === "hmac" && HMAC), ...more };
}
