/**
 * Depth and number of values of JSON text, counted before it is parsed: a list of two million empty lists takes four
 * megabytes as text, and hundreds as values.
 */

/** What {@linkcode scanJson} found. */
export interface JsonScan {
  /** How many arrays and objects stand inside each other. */
  readonly depth: number;
  /** How many values there are, within two for each array or object: separators and openings are counted. */
  readonly values: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** `[` and `{`, `]` and `}` differ by one bit each. */
const OPENING = 0x5b;
const CLOSING = 0x5d;
const BIT = 0x20;

/** Reads each byte of UTF-8 once. Never throws; the result for text that is not JSON has no meaning. */
export function scanJson(bytes: Uint8Array): JsonScan {
  let values = 1;
  let level = 0;
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
    } else if (byte === COMMA) values++;
    else if ((byte & ~BIT) === OPENING) {
      values++;
      if (++level > depth) depth = level;
    } else if ((byte & ~BIT) === CLOSING) level--;
  }
  return { depth, values };
}
