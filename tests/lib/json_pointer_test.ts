import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatPointer, parsePointer, replaceAt, valueAt } from "../../src/lib/json_pointer.ts";

/** The document and the pointers of RFC 6901, section 5. */
const DOCUMENT = {
  "foo": ["bar", "baz"],
  "": 0,
  "a/b": 1,
  "c%d": 2,
  "e^f": 3,
  "g|h": 4,
  "i\\j": 5,
  'k"l': 6,
  " ": 7,
  "m~n": 8,
};

test("parsePointer() and valueAt() find what the examples of RFC 6901 find", () => {
  const found = ["", "/foo", "/foo/0", "/", "/a~1b", "/c%d", "/e^f", "/g|h", "/i\\j", '/k"l', "/ ", "/m~0n"]
    .map((pointer) => valueAt(DOCUMENT, parsePointer(pointer)!));
  assert.equal(found, [DOCUMENT, ["bar", "baz"], "bar", 0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("valueAt() finds nothing at what is no place", () => {
  for (
    const pointer of ["/foo/-", "/foo/2", "/foo/00", "/foo/0x0", "/foo/1e0", "/foo/length", "/a~1b/x", "/toString"]
  ) {
    assert.is(valueAt(DOCUMENT, parsePointer(pointer)!), undefined, pointer);
  }
  assert.is(valueAt({}, ["__proto__"]), undefined);
  assert.equal(valueAt(JSON.parse('{"__proto__":{"x":1}}'), ["__proto__", "x"]), 1);
});

test("parsePointer() refuses what is no pointer", () => {
  for (const text of ["foo", "#/foo", "/~", "/~2", "/a~"]) assert.is(parsePointer(text), undefined, text);
});

test("formatPointer() is read back by parsePointer(), whatever the tokens are", () => {
  const token = fc.oneof(fc.string(), fc.constantFrom("~", "/", "~1", "~01", "__proto__", "-"));
  fc.assert(fc.property(fc.array(token), (tokens) => assert.equal(parsePointer(formatPointer(tokens)), tokens)));
});

test("replaceAt() replaces the one value that a pointer means", () => {
  assert.equal(replaceAt({ a: [1, 2] }, ["a", "1"], 3), { a: [1, 3] });
  assert.equal(replaceAt({ a: 1 }, [], 3), 3);
  const replaced = replaceAt(JSON.parse('{"__proto__":1}'), ["__proto__"], { x: 1 });
  assert.is(JSON.stringify(replaced), '{"__proto__":{"x":1}}');
});

test.run();
