/**
 * What is secret in a request and in a text: the one list that idempotency keys, redirects and redaction go by.
 *
 * @example
 * ```ts
 * isCredentialHeader("x-hub-signature-256"); // true
 * scrub("GET https://bob:secret@example.com/a?token=1"); // "GET https://***@example.com/a"
 * ```
 */

/** Headers that say who calls, whose names do not show it: those that proxies set for whom they have let in. */
const NAMES: ReadonlySet<string> = new Set([
  "remote-user",
  "x-forwarded-email",
  "x-forwarded-user",
  "x-remote-user",
]);

/** Parts of names: `authorization`, `x-api-key`, `x-hub-signature-256`, `x-gitlab-token`, `cf-access-jwt-assertion`, … */
const WORDS =
  /authoriz|(^|[-_])x?auth([-_]|$|token|key|enticat)|token|secret|signature|hmac|api[-_]?key|passw|session|credential|jwt|assertion|cookie|(^|[-_])(key|sig|cert|certificate|otp|hash)([-_]|\d|$)/;

/** These have such a word and are no credentials: of a message or of the connection. */
const OTHERS = /^(sec-.*|(x-)?idempotency-key)$/;

/**
 * True for a header that tells who calls: credentials, and signatures, which only who knows the key can make.
 *
 * @param name in lower case
 */
export function isCredentialHeader(name: string): boolean {
  return NAMES.has(name) || (WORDS.test(name) && !OTHERS.test(name));
}

/** The most of a text that is looked at, and the most that is kept: what a cut would expose has gone before. */
const MAX_LOOKED_AT = 8_000;
const MAX_LENGTH = 1_000;

/**
 * Takes from a text, such as an exception's message, what may be secret in it: the user information, query and
 * fragment of URLs, and what follows a scheme of `Authorization` or the name of a credential header. It rather takes
 * too much: all that stands before the last `@` of a URL.
 */
export function scrub(text: string): string {
  const scrubbed = text.slice(0, MAX_LOOKED_AT)
    .replace(/:\/\/[^\s"'<>]*@/g, "://***@")
    .replace(/(:\/\/[^\s"'<>?#]*)[?#][^\s"'<>]*/g, "$1")
    .replace(/\b(bearer|basic|digest|apikey)\s+[^\s"',;]+/gi, "$1 ***")
    .replace(
      /\b([\w-]{1,64})(["']?\s*[:=]\s*["']?)([^\s"',;&]+)/g,
      (all, name: string, between: string, value: string) =>
        value !== "***" && isCredentialHeader(name.toLowerCase()) ? `${name}${between}***` : all,
    );
  return scrubbed.length <= MAX_LENGTH ? scrubbed : `${scrubbed.slice(0, MAX_LENGTH - 1)}…`;
}
