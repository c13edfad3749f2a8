/**
 * The `Idempotency-Key` request header (draft-ietf-httpapi-idempotency-key-header-07): the same request sent again
 * with the same key starts nothing, and is answered as the first one was.
 *
 * A key is its caller's own: under other credentials, or none, it is another key, so that nobody is given what was
 * made for another, nor told that there is such a thing (section 5 of the draft). Whether a credential is right only
 * the workflow knows; so a signature counts by its value, and a sender that signs each try anew, with its time, has a
 * key of its own for each.
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

/** On every answer that comes from an execution which an earlier request had started. */
export const REPLAYED_HEADER = "idempotency-replayed";

const MAX_LENGTH = 255;
/** A String of Structured Fields (RFC 9651, section 3.3.3), as the draft has it. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
/** What clients send as well. Without spaces: two header lines, which arrive joined by ", ", are not one key. */
const BARE = /^[\x21\x23-\x7e][\x21-\x7e]*$/;

const encoder = new TextEncoder();

/** What a key was sent with. */
export interface IdempotencyOptions {
  /** What tells one call from another besides its body: method, trigger, path and query. */
  readonly scope: readonly string[];
  /** The bytes of the body: the fingerprint is a digest of them. */
  readonly body: Uint8Array;
  /** How long the key is remembered, in seconds. */
  readonly ttlSeconds: number;
}

/**
 * The key and the fingerprint of a request, or `undefined`, and no promise of it, where the header is absent: most
 * requests have none.
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
  // JSON text has no line break of its own, so no scope can be continued by a body.
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
