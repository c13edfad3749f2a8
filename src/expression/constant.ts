/**
 * The parts of a definition without expressions: every execution gets the same ones, so nobody may change them.
 */
import type { JsonValue } from "../lib/json.ts";

/** Freezes a value of JSON through and through, and gives it back. */
export function freezeConstant<T extends JsonValue>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) && Object.keys(value).length > 0) {
    return value;
  }
  if (Array.isArray(value)) {
    // JSONata writes this mark, which means nothing on a list that it has not made, on what `items[]` reads, and it
    // would fail where it cannot: a setter takes the mark, and drops it.
    if (Object.isExtensible(value)) Object.defineProperty(value, "keepSingleton", { set: drop });
    for (const item of value) freezeConstant(item);
  } else for (const key of Object.keys(value)) freezeConstant(value[key] as JsonValue);
  return Object.freeze(value);
}

function drop(): void {}
