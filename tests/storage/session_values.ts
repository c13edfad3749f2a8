/**
 * Arbitrary values and changes of sessions, for properties.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";

/** Names of members, those that code could trip over among them. */
const name = fc.constantFrom(
  "a",
  "b",
  "c",
  "d/e",
  "f~g",
  "",
  "__proto__",
  "constructor",
  "0",
  "é\"$.x'",
  "\u0000n1",
);
/** Values that a parser, a patch or an encoding could take for something else. */
const leaf = fc.oneof(
  fc.constantFrom(
    null,
    true,
    "",
    "x",
    "\u0000",
    "\u0000e1.x",
    "\u0000s",
    0,
    1e21,
    0.1,
    2 ** 53 + 2,
    5e-324,
    "é😀\u2028",
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);
/** Any JSON value. */
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4 }),
  ),
})).value.map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
/** Any JSON object. */
const object = fc.dictionary(name, json, { maxKeys: 4 }).map((value) =>
  JSON.parse(JSON.stringify(value)) as JsonObject
);
/** Changes of a session, one after the other. */
export const changes = fc.array(
  fc.oneof(
    fc.record({ put: json }),
    fc.record({ merge: fc.oneof(object, json) }),
    fc.record({ set: json, at: name }),
  ),
  { minLength: 1, maxLength: 6 },
);

/** Expects the same values, in any order of members. */
export function same(actual: JsonValue, expected: JsonValue, message: string): void {
  const sorted = (value: JsonValue): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === "object" && value !== null
      ? Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, item]) => [name, sorted(item)])
      : value;
  assert.is(JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected)), message);
}
