import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { quoteJson } from "../../src/lib/json.ts";

test("quoteJson() gives what JSON.stringify() does", () => {
  for (const text of ["", "orders", "a-b_c.d:e~f", "a\n", "\n", "ä", '"', "\\", "\u2028", "\ud800", "a b"]) {
    assert.is(quoteJson(text), JSON.stringify(text));
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
    assert.is(quoteJson(text), JSON.stringify(text));
  }));
});

test.run();
