/**
 * Lone surrogates, halves of a pair without the other half: strings and JSON's escapes can hold them, but they are not
 * valid Unicode (RFC 7493, section 2.1), and not every JSON parser takes them.
 *
 * @example
 * ```ts
 * surrogateFault({ token: "a", value: "\ud800" }); // "The string has a lone surrogate"
 * withoutLoneSurrogates({ "a\udc00": "b" }); // { "a\ufffd": "b" }
 * ```
 */
import type { JsonStep } from "./json_walk.ts";

/** The flag `u` makes a surrogate match only when it is not part of a pair. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;
/** Escapes in what `JSON.stringify` writes: of surrogates it escapes those that stand alone (ECMA-262, QuoteJSONString). */
const ESCAPE = /\\(?:ud[89a-f][\da-f]{2}|.)/g;

/** What is wrong with the name of a visited value, or with the value: no final period. `undefined` for a valid one. */
export function surrogateFault({ value, token }: Pick<JsonStep, "value" | "token">): string | undefined {
  if (typeof token === "string" && LONE_SURROGATE.test(token)) return "The name of the member has a lone surrogate";
  return typeof value === "string" && LONE_SURROGATE.test(value) ? "The string has a lone surrogate" : undefined;
}

/** The same JSON value with U+FFFD for each lone surrogate, in strings and in names. */
export function withoutLoneSurrogates<T>(value: T): T {
  const json = JSON.stringify(value);
  // An escaped backslash goes with what follows it, so that the text `\\ud800` stays what it is.
  const replaced = json.replace(ESCAPE, (escape) => escape.length > 2 ? "\ufffd" : escape);
  return replaced === json ? value : JSON.parse(replaced);
}
