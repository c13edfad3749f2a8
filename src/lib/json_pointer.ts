/**
 * JSON pointers (RFC 6901): which value of a document is meant.
 *
 * @example
 * ```ts
 * parsePointer("/a~1b/0"); // ["a/b", "0"]
 * valueAt({ "a/b": [7] }, ["a/b", "0"]); // 7
 * ```
 */
import { type JsonObject, type JsonValue, setMember } from "./json.ts";

/** The tokens of a pointer; `undefined` for what is none: no slash in front, or a `~` before neither 0 nor 1. */
export function parsePointer(text: string): string[] | undefined {
  if (text === "") return [];
  if (!text.startsWith("/") || /~(?![01])/.test(text)) return undefined;
  // `~1` first: `~01` is a tilde and a one (section 4).
  return text.slice(1).split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The pointer of these tokens. */
export function formatPointer(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The number that a token is as an index of an array: digits without a leading zero, else `undefined`. */
export function arrayIndex(token: string): number | undefined {
  return /^(0|[1-9]\d{0,9})$/.test(token) ? Number(token) : undefined;
}

/** The value at a place; `undefined` where there is none. `-`, which is behind an array's end, is never there. */
export function valueAt(document: JsonValue, tokens: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = document;
  for (const token of tokens) {
    if (Array.isArray(value)) value = value[arrayIndex(token) ?? -1];
    else if (typeof value === "object" && value !== null && Object.hasOwn(value, token)) value = value[token];
    else return undefined;
  }
  return value;
}

/** Puts another value where there is one; returns the document, or the value if that is what the pointer means. */
export function replaceAt(document: JsonValue, tokens: readonly string[], value: JsonValue): JsonValue {
  const token = tokens.at(-1);
  if (token === undefined) return value;
  const parent = valueAt(document, tokens.slice(0, -1));
  if (Array.isArray(parent)) parent[Number(token)] = value;
  else setMember(parent as JsonObject, token, value);
  return document;
}
