import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JsonValue } from "../../src/lib/json.ts";
import { setMember } from "../../src/lib/json.ts";
import { walkJson } from "../../src/lib/json_walk.ts";
import { surrogateFault, withoutLoneSurrogates } from "../../src/lib/lone_surrogates.ts";

/** Strings of what has to do with surrogates in JSON text, and names of members. */
const text = fc.array(
  fc.constantFrom(
    "\ud83d\ude00",
    "\ud800",
    "\udbff",
    "\udc00",
    "\udfff",
    "\\",
    "\\ud800",
    "ud800",
    '"',
    "\n",
    "\0",
    "é",
  ),
  { maxLength: 5 },
).map((parts) => parts.join(""));

const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.constantFrom<JsonValue>(null, true, 1.5),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(fc.oneof(text, fc.constant("__proto__")), tie("value")), { maxLength: 3 }).map((members) => {
      const object = {};
      for (const [name, value] of members) setMember(object, name, value);
      return object;
    }),
  ),
}));

/** The same by walking over the values, and by the regular expression for what is no half of a pair. */
function replaced(value: JsonValue): JsonValue {
  if (typeof value === "string") return value.replace(/[\ud800-\udfff]/gu, "\ufffd");
  if (Array.isArray(value)) return value.map(replaced);
  if (typeof value !== "object" || value === null) return value;
  const object = {};
  for (const [name, member] of Object.entries(value)) setMember(object, replaced(name) as string, replaced(member));
  return object;
}

test("withoutLoneSurrogates() replaces lone surrogates in strings and names, and nothing else", () => {
  fc.assert(fc.property(value, (value) => {
    const found = withoutLoneSurrogates(value);
    assert.is(JSON.stringify(found), JSON.stringify(replaced(value)));
    let faults = 0;
    walkJson(found, (step) => void (faults += surrogateFault(step) === undefined ? 0 : 1));
    assert.is(faults, 0);
  }));
});

test("surrogateFault() finds what withoutLoneSurrogates() replaces", () => {
  fc.assert(fc.property(value, (value) => {
    let isFound = false;
    walkJson(value, (step) => isFound = surrogateFault(step) !== undefined);
    assert.is(isFound, withoutLoneSurrogates(value) !== value);
  }));
});

test.run();
