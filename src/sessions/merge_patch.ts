/**
 * JSON Merge Patch (RFC 7396).
 *
 * @example
 * ```ts
 * mergePatch({ a: 1, b: 2 }, { a: null, c: 3 }); // { b: 2, c: 3 }
 * ```
 */
import { isJsonObject, type JsonObject, type JsonValue, setMember } from "../lib/json.ts";

/** The patched value (section 2). Objects of the target are changed in place, and parts of the patch become parts of it. */
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
 * True when a merge may change what stands at a place, or what it stands in, otherwise than by adding members beside it:
 * the place itself, a place inside of it, or one around it that gets another value.
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
