/**
 * The `Idempotency-Key` request header (draft-ietf-httpapi-idempotency-key-header-07): the same request sent again
 * with the same key starts nothing, and is answered as the first one was.
 *
 * A key belongs to its caller: under other credentials, or none, it is another key, so that no caller gets another's
 * answer, or learns that there is one (section 5 of the draft). Only the workflow can verify credentials, so they count
 * by their value: a sender that signs each try anew, with its time, uses another key with each.
 *
 * @example
 * ```ts
 * const pending = idempotencyOf(request, { scope: ["POST", "hook", "/webhook/orders"], body, ttlSeconds });
 * const idempotency = pending && await pending;
 * ```
 */
import { isCredentialHeader } from "../../lib/credentials.ts";
import { MillraceError } from "../../lib/errors.ts";
import { type Idempotency, ownKey } from "../../execution/request.ts";
import { encodeBase64 } from "../../lib/base64.ts";

/** Header of every answer from an execution that an earlier request had started. */
export const REPLAYED_HEADER = "idempotency-replayed";

const MAX_LENGTH = 255;
/** A String of Structured Fields (RFC 9651, section 3.3.3), as the draft has it. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
/**
 * An unquoted key. Without spaces, so that two header lines, which arrive joined by ", ", are not taken for one key.
 */
const BARE = /^[\x21\x23-\x7e][\x21-\x7e]*$/;

const encoder = new TextEncoder();

/** The request that a key was sent with. */
export interface IdempotencyOptions {
  /** Identifies the call besides its body: method, trigger, path and query. Required. */
  readonly scope: readonly string[];
  /** Bytes of the body as they were sent. Required. */
  readonly body: Uint8Array;
  /** Time that the key is remembered, in seconds. Required. */
  readonly ttlSeconds: number;
}

/**
 * The key and the fingerprint of a request; `undefined`, without a promise, where the header is absent, as it is in most
 * requests.
 *
 * @throws {MillraceError} `invalid_idempotency_key`
 */
export function idempotencyOf(request: Request, options: IdempotencyOptions): Promise<Idempotency> | undefined {
  const header = request.headers.get("idempotency-key");
  return header === null ? undefined : withFingerprint(parseKey(header), { ...options, headers: request.headers });
}

/** The key in a header's value. Quoted and unquoted forms of a text are the same key. */
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
  const caller = await digestOf(encoder.encode(JSON.stringify(credentials)));
  return { key: ownKey(`${caller}:${key}`), fingerprint, ttlSeconds };
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return encodeBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
