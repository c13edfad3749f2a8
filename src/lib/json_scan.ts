/**
 * What is worth knowing of JSON text before it is parsed: its depth and its number of values, since a list of two million
 * empty lists takes four megabytes as text and hundreds as values, and whether numbers may become `Infinity`.
 */

/** What {@linkcode scanJson} found. */
export interface JsonScan {
  /** How many arrays and objects stand inside each other. */
  readonly depth: number;
  /** How many values there are, within two for each array or object: separators and openings are counted. */
  readonly values: number;
  /** False if every number is surely finite as a double. */
  readonly mayOverflow: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const MINUS = 0x2d;
const LETTER_E = 0x65;
/** `[` and `{`, `]` and `}` differ by one bit each. */
const OPENING = 0x5b;
const CLOSING = 0x5d;
const BIT = 0x20;
/** A number without an exponent has more characters than this if it is larger than a double, which has 309 digits. */
const LONG = 300;

/** Reads each byte of UTF-8 once. Never throws; the result for text that is not JSON has no meaning. */
export function scanJson(bytes: Uint8Array): JsonScan {
  let values = 1;
  let level = 0;
  let depth = 0;
  let mayOverflow = false;
  /** What stands before the number that may be here. */
  let before = -1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
      before = at;
    } else if (byte === COMMA) {
      values++;
      if (at - before > LONG) mayOverflow = true;
      before = at;
    } else if ((byte & ~BIT) === OPENING) {
      values++;
      if (++level > depth) depth = level;
      before = at;
    } else if ((byte & ~BIT) === CLOSING) {
      level--;
      if (at - before > LONG) mayOverflow = true;
      before = at;
    } else if ((byte | BIT) === LETTER_E && bytes[at + 1] !== MINUS && isDigit(bytes[at - 1])) mayOverflow = true;
  }
  return { depth, values, mayOverflow: mayOverflow || bytes.length - before > LONG };
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
