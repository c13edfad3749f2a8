import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JsonValue } from "../../src/lib/json.ts";
import { valueAt } from "../../src/lib/json_pointer.ts";
import { mergePatch, mergeTouches } from "../../src/sessions/merge_patch.ts";

/** RFC 7396, appendix A: target, patch, result. */
const EXAMPLES: readonly [JsonValue, JsonValue, JsonValue][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test("mergePatch() does what the examples of RFC 7396 do", () => {
  for (const [target, patch, result] of EXAMPLES) {
    assert.equal(mergePatch(structuredClone(target), patch), result, JSON.stringify({ target, patch }));
  }
});

test("mergePatch() takes __proto__ and constructor for members like any others", () => {
  const target = JSON.parse('{"__proto__":{"a":1},"x":{}}');
  const patch = JSON.parse('{"__proto__":{"b":2},"x":{"__proto__":{"polluted":true},"constructor":{"prototype":1}}}');
  const merged = mergePatch(target, patch);
  assert.is(
    JSON.stringify(merged),
    '{"__proto__":{"a":1,"b":2},"x":{"__proto__":{"polluted":true},"constructor":{"prototype":1}}}',
  );
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
  assert.is(JSON.stringify(mergePatch(merged, JSON.parse('{"__proto__":null,"x":null}'))), "{}");
});

test("mergeTouches() is false only where a merge leaves the value at a place as it is", () => {
  const name = fc.constantFrom("a", "b", "c");
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, 1, "x", [1]),
      fc.dictionary(name, tie("value"), { noNullPrototype: true }),
    ),
  })).value as fc.Arbitrary<JsonValue>;
  let untouched = 0;
  fc.assert(
    fc.property(json, json, fc.array(name, { maxLength: 3 }), (target, patch, place) => {
      if (mergeTouches(patch, place)) return;
      untouched++;
      const before = structuredClone(valueAt(target, place));
      const after = valueAt(mergePatch(structuredClone(target), patch), place);
      if (before !== undefined) assert.equal(after, before);
      else assert.is(after, undefined);
    }),
    { numRuns: 2000 },
  );
  assert.ok(untouched > 50);
});

test.run();
