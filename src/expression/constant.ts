/**
 * Constants: parts of a definition without expressions. All executions share them, so they are frozen.
 */
import type { JsonValue } from "../lib/json.ts";

/** Freezes a JSON value deeply, and returns it. */
export function freezeConstant<T extends JsonValue>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) && Object.keys(value).length > 0) {
    return value;
  }
  if (Array.isArray(value)) {
    // JSONata sets this property on the lists that `items[]` reads, and fails where it cannot. It has no meaning on
    // lists that JSONata has not made, so a setter ignores it.
    if (Object.isExtensible(value)) Object.defineProperty(value, "keepSingleton", { set: drop });
    for (const item of value) freezeConstant(item);
  } else for (const key of Object.keys(value)) freezeConstant(value[key] as JsonValue);
  return Object.freeze(value);
}

function drop(): void {}
