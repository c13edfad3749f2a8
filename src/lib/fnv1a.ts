/**
 * The hash FNV-1a (RFC 9923), 32 bit: spreads names evenly, and keeps nothing secret.
 */

/** The hash of a text, over its UTF-16 code units: 0 to 2³² - 1. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}
