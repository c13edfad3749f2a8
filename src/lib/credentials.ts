/**
 * Which headers hold credentials, and the redaction of texts. Idempotency keys, redirects and logs use this one list.
 *
 * @example
 * ```ts
 * isCredentialHeader("x-hub-signature-256"); // true
 * scrub("GET https://bob:secret@example.com/a?token=1"); // "GET https://***@example.com/a"
 * ```
 */

/** Credential headers whose names do not show it: proxies set them for callers that they have authenticated. */
const NAMES: ReadonlySet<string> = new Set([
  "remote-user",
  "x-forwarded-email",
  "x-forwarded-user",
  "x-remote-user",
]);

/**
 * Parts of the names of credential headers: `authorization`, `x-api-key`, `x-hub-signature-256`, `x-gitlab-token`,
 * `cf-access-jwt-assertion`, …
 */
const WORDS =
  /authoriz|(^|[-_])x?auth([-_]|$|token|key|enticat)|token|secret|signature|hmac|api[-_]?key|passw|session|credential|jwt|assertion|cookie|(^|[-_])(key|sig|cert|certificate|otp|hash)([-_]|\d|$)/;

/** Headers that match {@linkcode WORDS} and hold no credentials. */
const OTHERS = /^(sec-.*|(x-)?idempotency-key)$/;

/**
 * True for a header that identifies the caller: credentials, and signatures, which only the holder of a key can make.
 *
 * @param name in lower case
 */
export function isCredentialHeader(name: string): boolean {
  return NAMES.has(name) || (WORDS.test(name) && !OTHERS.test(name));
}

/** Characters of a text that are read, and that are kept. The cut comes after redaction, so it exposes nothing. */
const MAX_LOOKED_AT = 8_000;
const MAX_LENGTH = 1_000;

/**
 * Redacts what may be secret in a text, such as an exception's message: the user information, query and fragment of
 * URLs, and what follows a scheme of `Authorization` or the name of a credential header. In doubt it redacts more:
 * everything before the last `@` of a URL.
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
