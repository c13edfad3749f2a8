/**
 * The `Idempotency-Key` request header (draft-ietf-httpapi-idempotency-key-header-07): a request that is repeated with
 * the same key starts nothing, and gets the answer of the first one.
 *
 * A key belongs to its caller: with other credentials, or none, it is a different key, so that no caller gets another
 * one's answer or learns that it exists (section 5 of the draft). Only the workflow can verify a credential, so its
 * value counts: a sender that signs every try anew, with the time, uses a different key each time.
 *
 * @example
 * ```ts
 * const pending = idempotencyOf(request, { scope: ["POST", "hook", "/webhook/orders"], body, ttlSeconds });
 * const idempotency = pending && await pending;
 * ```
 */
import { encodeBase64 } from "../../lib/base64.ts";
import { isCredentialHeader } from "../../lib/credentials.ts";
import { sha256 } from "../../lib/digest.ts";
import { MillraceError } from "../../lib/errors.ts";
import { type Idempotency, ownKey } from "../../execution/request.ts";

/** Header of answers from an execution that an earlier request had started. */
export const REPLAYED_HEADER = "idempotency-replayed";

const MAX_LENGTH = 255;
/** A String of Structured Fields (RFC 9651, section 3.3.3), as the draft requires. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
/** A key without quotes, as some clients send it. Without spaces, since two header lines arrive joined by ", ". */
const BARE = /^[\x21\x23-\x7e][\x21-\x7e]*$/;

const encoder = new TextEncoder();

/** Options of {@linkcode idempotencyOf}. */
export interface IdempotencyOptions {
  /** What identifies a call besides its body: method, trigger, path and query. */
  readonly scope: readonly string[];
  /** The bytes of the body: the fingerprint is a digest of them. */
  readonly body: Uint8Array;
  /** How long the key is remembered, in seconds. */
  readonly ttlSeconds: number;
}

/**
 * The key and the fingerprint of a request; `undefined`, not a promise, when the header is absent, as in most requests.
 *
 * @throws {MillraceError} `invalid_idempotency_key`
 */
export function idempotencyOf(request: Request, options: IdempotencyOptions): Promise<Idempotency> | undefined {
  const header = request.headers.get("idempotency-key");
  return header === null ? undefined : withFingerprint(parseKey(header), { ...options, headers: request.headers });
}

/** The key in a header's value, which is quoted or bare; both forms of one text are one key. */
function parseKey(header: string): string {
  const text = header.trim();
  const quoted = QUOTED.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
  const key = quoted ?? (BARE.test(text) ? text : "");
  if (key.length >= 1 && key.length <= MAX_LENGTH) return key;
  throw new MillraceError(
    "invalid_idempotency_key",
    `Expected an Idempotency-Key of 1 to ${MAX_LENGTH} printable ASCII characters, quoted if it has spaces: ` +
      `received ${text.length > MAX_LENGTH ? `${text.length} characters` : `"${text}"`}`,
  );
}

async function withFingerprint(key: string, options: IdempotencyOptions & { headers: Headers }): Promise<Idempotency> {
  const { scope, body, ttlSeconds, headers } = options;
  // `Headers` gives names in lower case and in order, and the lines of one name together.
  const credentials = [...headers].filter(([name]) => isCredentialHeader(name));
  // JSON text has no line break, so a body cannot continue the scope.
  const head = encoder.encode(`${JSON.stringify(scope)}\n`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  const fingerprint = await digestOf(bytes);
  if (credentials.length === 0) return { key, fingerprint, ttlSeconds };
  const caller = await digestOf(JSON.stringify(credentials));
  return { key: ownKey(`${caller}:${key}`), fingerprint, ttlSeconds };
}

async function digestOf(content: string | Uint8Array<ArrayBuffer>): Promise<string> {
  return encodeBase64(await sha256(content));
}
