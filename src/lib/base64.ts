/**
 * Base64 and base64url (RFC 4648, sections 4 and 5) over bytes, by Web APIs alone.
 */

/** Small enough for one call's arguments. */
const CHUNK = 0x8000;

/** The base64 text of bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}

/** The same for URLs and cookies, without padding (section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The bytes of a base64 text. Throws a `DOMException` when it is none. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/**
 * The bytes of a base64 text in its one spelling (section 3.5): padded, without white space, its spare bits zero.
 * `undefined` for any other text, and for none.
 */
export function decodeCanonicalBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text) || text === "") return undefined;
  const bytes = decodeBase64(text);
  return encodeBase64(bytes) === text ? bytes : undefined;
}

/** The bytes of a base64url text, with or without padding. Throws a `DOMException` when it is none. */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return decodeBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}
