/**
 * JSON Merge Patch (RFC 7396).
 *
 * @example
 * ```ts
 * mergePatch({ a: 1, b: 2 }, { a: null, c: 3 }); // { b: 2, c: 3 }
 * ```
 */
import { isJsonObject, type JsonObject, type JsonValue, setMember } from "../lib/json.ts";

/** Applies a patch (section 2). Changes objects of the target in place; the result shares values with the patch. */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const result: JsonObject = isJsonObject(target) ? target : {};
  for (const name of Object.keys(patch)) {
    const change = patch[name]!;
    if (change === null) delete result[name];
    else setMember(result, name, mergePatch(Object.hasOwn(result, name) ? result[name] : undefined, change));
  }
  return result;
}

/**
 * True when a merge may change the value at a path: the patch sets that path, a path inside of it, or replaces one of
 * its ancestors. False when it only adds or changes members beside it.
 */
export function mergeTouches(patch: JsonValue, tokens: readonly string[]): boolean {
  let part: JsonValue = patch;
  for (const token of tokens) {
    if (!isJsonObject(part)) return true;
    if (!Object.hasOwn(part, token)) return false;
    part = part[token]!;
  }
  return true;
}
