/**
 * Whether two JSON values are the same.
 */
import type { JsonValue } from "./json.ts";

/**
 * True for values that are equal as JSON: the order of an object's members does not count (RFC 8259, section 4), that
 * of a list's items does. Walks without recursion, so that no depth is too much.
 */
export function sameJson(a: JsonValue, b: JsonValue): boolean {
  // Most are the same object, or no objects.
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object") return false;
  const left: JsonValue[] = [a];
  const right: JsonValue[] = [b];
  while (left.length > 0) {
    const [one, other] = [left.pop()!, right.pop()!];
    // Not `Object.is`: 0 and -0 are one number in JSON.
    if (one === other) continue;
    if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
    if (Array.isArray(one) !== Array.isArray(other)) return false;
    if (Array.isArray(one)) {
      if (one.length !== (other as JsonValue[]).length) return false;
      for (const item of one) left.push(item);
      for (const item of other as JsonValue[]) right.push(item);
      continue;
    }
    const keys = Object.keys(one);
    if (keys.length !== Object.keys(other).length) return false;
    for (const key of keys) {
      if (!Object.hasOwn(other, key)) return false;
      left.push(one[key]!);
      right.push((other as Record<string, JsonValue>)[key]!);
    }
  }
  return true;
}
