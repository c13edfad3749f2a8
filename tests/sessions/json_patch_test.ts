/**
 * JSON Patch, case by case: what RFC 6902 and its appendix say, and what public suites of it look for.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { applyJsonPatch, parseJsonPatch } from "../../src/sessions/json_patch.ts";

const LIMIT = { limitBytes: 10_000 };

function patched(document: JsonValue, patch: JsonValue): JsonValue {
  return applyJsonPatch(structuredClone(document), parseJsonPatch(patch), LIMIT);
}

/** Document, patch, result. */
const APPLIED: readonly [string, JsonValue, JsonValue, JsonValue][] = [
  ["no operation", { a: 1 }, [], { a: 1 }],
  ["add a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { foo: "bar", baz: "qux" }],
  ["add replaces a member that is there", { foo: 1 }, [{ op: "add", path: "/foo", value: 2 }], { foo: 2 }],
  ["add null", { foo: 1 }, [{ op: "add", path: "/foo", value: null }], { foo: null }],
  ["add false, 0 and an empty string", {}, [
    { op: "add", path: "/a", value: false },
    { op: "add", path: "/b", value: 0 },
    { op: "add", path: "/c", value: "" },
  ], { a: false, b: 0, c: "" }],
  ["add into an array", { a: [1, 3] }, [{ op: "add", path: "/a/1", value: 2 }], { a: [1, 2, 3] }],
  ["add at the head", [1], [{ op: "add", path: "/0", value: 0 }], [0, 1]],
  ["add at the end by its index", [1], [{ op: "add", path: "/1", value: 2 }], [1, 2]],
  ["add at the end by -", [1], [{ op: "add", path: "/-", value: [2] }], [1, [2]]],
  ["add to an empty array by -", { a: [] }, [{ op: "add", path: "/a/-", value: 1 }], { a: [1] }],
  ["add an array as one value", ["a"], [{ op: "add", path: "/1", value: ["b", "c"] }], ["a", ["b", "c"]]],
  ["add the whole document", { foo: "bar" }, [{ op: "add", path: "", value: { baz: 1 } }], { baz: 1 }],
  ["add a member with an empty name", {}, [{ op: "add", path: "/", value: 1 }], { "": 1 }],
  ["add below an empty name", { foo: {} }, [{ op: "add", path: "/foo/", value: 1 }], { foo: { "": 1 } }],
  ["add a member named like an index", { foo: 1 }, [{ op: "add", path: "/0", value: 2 }], { foo: 1, 0: 2 }],
  ["add a member called -", {}, [{ op: "add", path: "/-", value: 1 }], { "-": 1 }],
  ["members that are not known are ignored", {}, [{ op: "add", path: "/a", value: 1, xyz: 2, from: 7 }], { a: 1 }],
  ["add into a nested object", { foo: { a: 1 } }, [{ op: "add", path: "/foo/b", value: { c: 2 } }], {
    foo: { a: 1, b: { c: 2 } },
  }],
  ["escapes", { "a/b": 1, "m~n": 2, "~1": 3 }, [
    { op: "replace", path: "/a~1b", value: 10 },
    { op: "replace", path: "/m~0n", value: 20 },
    { op: "replace", path: "/~01", value: 30 },
  ], { "a/b": 10, "m~n": 20, "~1": 30 }],
  ["remove a member", { a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
  ["remove an item", [1, 2, 3], [{ op: "remove", path: "/1" }], [1, 3]],
  ["remove several", [1, 2, 3, 4], [{ op: "remove", path: "/1" }, { op: "remove", path: "/2" }], [1, 3]],
  ["remove a member that is null", { a: null }, [{ op: "remove", path: "/a" }], {}],
  ["replace a member", { a: 1, b: 2 }, [{ op: "replace", path: "/a", value: [1] }], { a: [1], b: 2 }],
  ["replace an item", [1, 2], [{ op: "replace", path: "/1", value: 3 }], [1, 3]],
  ["replace the whole document", { a: 1 }, [{ op: "replace", path: "", value: [1] }], [1]],
  ["replace null", { a: null }, [{ op: "replace", path: "/a", value: "b" }], { a: "b" }],
  ["replace with null", { a: 1 }, [{ op: "replace", path: "/a", value: null }], { a: null }],
  ["move a member", { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } }, [
    { op: "move", from: "/foo/waldo", path: "/qux/thud" },
  ], { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } }],
  ["move an item", { a: [1, 2, 3, 4] }, [{ op: "move", from: "/a/1", path: "/a/3" }], { a: [1, 3, 4, 2] }],
  ["move null", { a: null }, [{ op: "move", from: "/a", path: "/b" }], { b: null }],
  ["move to the same place", { a: 1 }, [{ op: "move", from: "/a", path: "/a" }], { a: 1 }],
  ["move out of its parent", { a: { b: 1 } }, [{ op: "move", from: "/a/b", path: "/a" }], { a: 1 }],
  ["move to a name that begins alike", { a: 1, ab: {} }, [{ op: "move", from: "/a", path: "/ab/c" }], { ab: { c: 1 } }],
  ["copy a member", { a: { b: [1] } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: [1] }, c: { b: [1] } }],
  ["copy is deep", { a: { b: [1] } }, [
    { op: "copy", from: "/a", path: "/c" },
    { op: "add", path: "/c/b/-", value: 2 },
  ], { a: { b: [1] }, c: { b: [1, 2] } }],
  ["copy null", { a: null }, [{ op: "copy", from: "/a", path: "/b" }], { a: null, b: null }],
  ["copy into an array", [1, 2], [{ op: "copy", from: "/1", path: "/0" }], [2, 1, 2]],
  ["copy into itself", { a: {} }, [{ op: "copy", from: "/a", path: "/a/b" }], { a: { b: {} } }],
  ["test passes", { a: { b: [1, { c: null }] } }, [{ op: "test", path: "/a/b/1", value: { c: null } }], {
    a: { b: [1, { c: null }] },
  }],
  ["test takes members in any order", { a: { x: 1, y: 2 } }, [{ op: "test", path: "/a", value: { y: 2, x: 1 } }], {
    a: { x: 1, y: 2 },
  }],
  ["test the whole document", { a: 1 }, [{ op: "test", path: "", value: { a: 1 } }], { a: 1 }],
  ["test an empty name", { "": 1 }, [{ op: "test", path: "/", value: 1 }], { "": 1 }],
  ["test numbers by their value", { a: 1e0 }, [{ op: "test", path: "/a", value: 1.0 }], { a: 1 }],
  ["test null", { a: null }, [{ op: "test", path: "/a", value: null }], { a: null }],
  ["operations see what went before", { a: [] }, [
    { op: "add", path: "/a/-", value: { n: 1 } },
    { op: "test", path: "/a/0/n", value: 1 },
    { op: "move", from: "/a/0/n", path: "/n" },
    { op: "remove", path: "/a" },
  ], { n: 1 }],
];

for (const [name, document, patch, result] of APPLIED) {
  test(`applyJsonPatch(): ${name}`, () => assert.equal(patched(document, patch), result));
}

/** Document, patch, code. */
const REFUSED: readonly [string, JsonValue, JsonValue, string][] = [
  ["add beyond the end", { a: [1] }, [{ op: "add", path: "/a/2", value: 2 }], "patch_conflict"],
  ["add at a negative index", [1], [{ op: "add", path: "/-1", value: 2 }], "patch_conflict"],
  ["add at an index with a leading zero", [1, 2], [{ op: "add", path: "/01", value: 2 }], "patch_conflict"],
  ["add at an index with an exponent", [1, 2], [{ op: "add", path: "/1e0", value: 2 }], "patch_conflict"],
  ["add at a name into an array", [1], [{ op: "add", path: "/bar", value: 2 }], "patch_conflict"],
  ["add without a parent", { q: { bar: 2 } }, [{ op: "add", path: "/a/b", value: 1 }], "patch_conflict"],
  ["add below a string", { a: "foo" }, [{ op: "add", path: "/a/b", value: 1 }], "patch_conflict"],
  ["add below __proto__ that is not there", {}, [{ op: "add", path: "/__proto__/x", value: 1 }], "patch_conflict"],
  ["remove what is not there", { a: 1 }, [{ op: "remove", path: "/b" }], "patch_conflict"],
  ["remove beyond the end", [1], [{ op: "remove", path: "/1" }], "patch_conflict"],
  ["remove by -", [1], [{ op: "remove", path: "/-" }], "patch_conflict"],
  ["remove an inherited name", {}, [{ op: "remove", path: "/toString" }], "patch_conflict"],
  ["replace what is not there", {}, [{ op: "replace", path: "/a", value: 1 }], "patch_conflict"],
  ["replace by -", [1], [{ op: "replace", path: "/-", value: 1 }], "patch_conflict"],
  ["move from nowhere", {}, [{ op: "move", from: "/a", path: "/b" }], "patch_conflict"],
  ["move into itself", { a: { b: {} } }, [{ op: "move", from: "/a", path: "/a/b/c" }], "patch_conflict"],
  ["move the document into itself", { a: 1 }, [{ op: "move", from: "", path: "/a" }], "patch_conflict"],
  ["copy from nowhere", {}, [{ op: "copy", from: "/a", path: "/b" }], "patch_conflict"],
  ["test what is not there", {}, [{ op: "test", path: "/a", value: null }], "patch_conflict"],
  ["test another value", { a: 1 }, [{ op: "test", path: "/a", value: 2 }], "patch_test_failed"],
  ["test a number against its text", { a: "10" }, [{ op: "test", path: "/a", value: 10 }], "patch_test_failed"],
  ["test a longer array", { a: [1] }, [{ op: "test", path: "/a", value: [1, 2] }], "patch_test_failed"],
  ["test an array against an object", { a: [] }, [{ op: "test", path: "/a", value: {} }], "patch_test_failed"],
  ["test a member more", { a: {} }, [{ op: "test", path: "/a", value: { b: null } }], "patch_test_failed"],
  ["test the other case", { a: "x" }, [{ op: "test", path: "/a", value: "X" }], "patch_test_failed"],
  ["no array", {}, { op: "add", path: "/a", value: 1 }, "malformed_patch"],
  ["no object", {}, ["add"], "malformed_patch"],
  ["an unknown operation", {}, [{ op: "spam", path: "/a", value: 1 }], "malformed_patch"],
  ["an inherited operation", {}, [{ op: "toString", path: "/a" }], "malformed_patch"],
  ["no op", {}, [{ path: "/a", value: 1 }], "malformed_patch"],
  ["no path", {}, [{ op: "add", value: 1 }], "malformed_patch"],
  ["a path that is null", {}, [{ op: "add", path: null, value: 1 }], "malformed_patch"],
  ["a path that is no pointer", {}, [{ op: "add", path: "a", value: 1 }], "malformed_patch"],
  ["a path with a wrong escape", {}, [{ op: "add", path: "/~3", value: 1 }], "malformed_patch"],
  ["add without a value", {}, [{ op: "add", path: "/a" }], "malformed_patch"],
  ["replace without a value", { a: 1 }, [{ op: "replace", path: "/a" }], "malformed_patch"],
  ["test without a value", { a: null }, [{ op: "test", path: "/a" }], "malformed_patch"],
  ["move without from", { a: 1 }, [{ op: "move", path: "/a" }], "malformed_patch"],
  ["copy without from", { a: 1 }, [{ op: "copy", path: "/a" }], "malformed_patch"],
];

for (const [name, document, patch, code] of REFUSED) {
  test(`applyJsonPatch() refuses: ${name}`, () => assert.is(codeOf(() => patched(document, patch)), code));
}

test("parseJsonPatch() names every fault", () => {
  try {
    parseJsonPatch([{ op: "add", path: "/a", value: 1 }, { op: "copy", path: "x" }, 7]);
    assert.unreachable();
  } catch (error) {
    const errors = (error as MillraceError).options.extensions!["errors"] as { pointer: string }[];
    assert.equal(errors.map(({ pointer }) => pointer), ["/1/path", "/1/from", "/2"]);
  }
});

test("applyJsonPatch() takes __proto__ for a member like any other", () => {
  const patch = [{ op: "add", path: "/__proto__", value: { polluted: 1 } }, {
    op: "copy",
    from: "/__proto__",
    path: "/constructor",
  }];
  assert.is(JSON.stringify(patched({}, patch)), '{"__proto__":{"polluted":1},"constructor":{"polluted":1}}');
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
});

test("applyJsonPatch() copies no more than it may, and makes nothing too deep to print", () => {
  const doubling = Array.from({ length: 40 }, (_, at) => ({ op: "copy", from: "", path: `/c${at}` }));
  assert.is(codeOf(() => patched({ a: "x" }, doubling)), "document_too_large");
  // What is within the limits of one value each, moved into another, again and again.
  const deep = () => Array.from({ length: 150 }).reduce<JsonValue>((inner) => ({ x: inner }), {});
  const nesting = Array.from({ length: 200 }, () => [
    { op: "add", path: "/b", value: deep() },
    { op: "move", from: "/a", path: `/b${"/x".repeat(150)}/x` },
    { op: "move", from: "/b", path: "/a" },
  ]).flat();
  const deepest = patched({ a: {} }, nesting);
  assert.throws(() => JSON.stringify(deepest), RangeError);
  assert.is(codeOf(() => patched({ a: {} }, [...nesting, { op: "copy", from: "/a", path: "/c" }])), "json_too_deep");
});

test("applyJsonPatch() of a copy and its removal leaves any document as it was", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const document = JSON.parse(JSON.stringify({ a: value }));
    const patch = [{ op: "copy", from: "/a", path: "/b" }, { op: "test", path: "/b", value: document.a }, {
      op: "remove",
      path: "/b",
    }];
    if (JSON.stringify(document).length < LIMIT.limitBytes) assert.equal(patched(document, patch), document);
  }));
});

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as MillraceError).code;
  }
}

test.run();
