/**
 * What of an execution is searched: its error and its tags.
 *
 * @example
 * ```ts
 * searchText({ tags: { customer: "ACME" } }).includes(searchTerm("acme")); // true
 * ```
 */
import type { NodeErrorData } from "../lib/errors.ts";

/** The most of a text that is searched, in characters. */
const MOST = 4000;

/** The words of an execution, a line each, in lower case; "" where it has no error and no tags. */
export function searchText(
  { tags, error }: { tags?: Readonly<Record<string, string>> | undefined; error?: NodeErrorData | undefined },
): string {
  const words = Object.entries(tags ?? {}).map(([name, value]) => `${name}=${value}`);
  if (error !== undefined) {
    words.push(...[error.code, error.message, error.detail, error.node].filter((text) => text !== undefined));
  }
  return searchTerm(words.join("\n")).slice(0, MOST);
}

/** A text as it is searched for: lower case, without the characters that a database cannot keep. */
export function searchTerm(text: string): string {
  return text.toLowerCase().replaceAll("\0", "");
}
