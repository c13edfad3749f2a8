/**
 * Lone surrogates, halves of a pair without the other half: strings and JSON's escapes can hold them, but they are not
 * valid Unicode (RFC 7493, section 2.1), and not every JSON parser takes them.
 *
 * @example
 * ```ts
 * surrogateFault({ token: "a", value: "\ud800" }); // "The string has a lone surrogate"
 * ```
 */
import type { JsonStep } from "./json_walk.ts";

/** The flag `u` makes a surrogate match only when it is not part of a pair. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/** What is wrong with the name of a visited value, or with the value: no final period. `undefined` for a valid one. */
export function surrogateFault({ value, token }: Pick<JsonStep, "value" | "token">): string | undefined {
  if (typeof token === "string" && LONE_SURROGATE.test(token)) return "The name of the member has a lone surrogate";
  return typeof value === "string" && LONE_SURROGATE.test(value) ? "The string has a lone surrogate" : undefined;
}
