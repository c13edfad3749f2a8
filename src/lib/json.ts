/**
 * JSON values (RFC 8259) as types, and the limits that hostile ones are held to.
 *
 * @example
 * ```ts
 * checkJson(JSON.parse(text), { maxDepth: 200 });
 * ```
 */

/** Any JSON value. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [key: string]: JsonValue };

/** A JSON object. Any key may be its own, `__proto__` too: never assign a property whose name came from outside. */
export type JsonObject = { [key: string]: JsonValue };

/** True for a JSON object, false for arrays and everything else. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Gives an object a member of its own, whatever it is called: `__proto__` too. */
export function setMember(object: JsonObject, name: string, value: JsonValue): void {
  if (name !== "__proto__") object[name] = value;
  else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

/** A string as JSON; a name that needs no escape, as most do, without the cost of a serializer. */
export function quoteJson(text: string): string {
  return /^[\w.~:-]*$/.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** True for values that say the same: numbers by their value, members in any order (RFC 6902, section 4.6). */
export function jsonEqual(a: JsonValue, b: JsonValue): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length &&
      a.every((item, at) => jsonEqual(item, b[at]!));
  }
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && jsonEqual(a[name]!, b[name]!));
}

/** What {@linkcode checkJson} found wrong; numbers that are not finite are `not_json` too. */
export type JsonFault = "too_deep" | "too_large" | "not_json";

/**
 * Walks a value without recursion and returns the first bound that it breaks, or `undefined`.
 *
 * The size is an estimate in UTF-16 code units. It never flattens a lazily joined string, so a value that would take
 * gigabytes as text is refused without making that text.
 *
 * @param options.maxDepth how many arrays and objects may stand inside each other, 200 by default
 * @param options.maxSize the largest estimate, without bound by default
 */
export function checkJson(
  value: unknown,
  options: { maxDepth?: number; maxSize?: number } = {},
): JsonFault | undefined {
  const { maxDepth = 200, maxSize = Infinity } = options;
  let size = 0;
  let layer: unknown[] = [value];
  for (let depth = 0; layer.length > 0; depth++) {
    if (depth > maxDepth) return "too_deep";
    const next: unknown[] = [];
    for (const item of layer) {
      size += 2;
      if (typeof item === "string") size += item.length;
      else if (typeof item === "number") {
        if (!Number.isFinite(item)) return "not_json";
        size += 4;
      } else if (Array.isArray(item)) {
        size += item.length;
        if (size > maxSize) return "too_large";
        for (const child of item) next.push(child);
      } else if (typeof item === "object" && item !== null) {
        for (const key in item) {
          size += key.length + 4;
          next.push((item as Record<string, unknown>)[key]);
        }
      } else if (typeof item === "bigint" || typeof item === "function" || typeof item === "symbol") return "not_json";
      if (size > maxSize) return "too_large";
    }
    layer = next;
  }
  return undefined;
}
