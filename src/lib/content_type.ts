/**
 * What a `Content-Type` says of a body (RFC 9110, section 8.3), for what comes in and for the answers to what goes out.
 *
 * @example
 * ```ts
 * mediaType("Text/Plain; charset=latin1"); // "text/plain"
 * charsetOf("Text/Plain; charset=latin1"); // "latin1"
 * ```
 */

/** The media type, in lower case and without parameters; `""` for `null`. */
export function mediaType(contentType: string | null): string {
  if (contentType === null) return "";
  const end = contentType.indexOf(";");
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** The `charset` parameter as it was sent, without quotes, or `undefined`. */
export function charsetOf(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1];
}

/** True for `application/json` and its kin (RFC 6839, section 3.1). */
export function isJsonType(type: string): boolean {
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

/** True for `text/*`, and for XML and its kin (RFC 7303). */
export function isTextType(type: string): boolean {
  return type.startsWith("text/") || type === "application/xml" || type.endsWith("+xml");
}
