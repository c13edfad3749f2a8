import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RawHeaders } from "../../../src/http/frame/sent_headers.ts";

const name = fc.constantFrom("A", "a", "X-Request-Id", "x-request-id", "Host", "content-type", "accept", "__proto__");
const lines = fc.array(fc.tuple(name, fc.stringMatching(/^[!-~]{1,8}$/)), { maxLength: 40 });

test("RawHeaders are what Headers are: names in lower case and in order, lines of one name together", () => {
  fc.assert(fc.property(lines, (lines) => {
    const [raw, headers] = [new RawHeaders(lines.flat()), new Headers(lines)];
    assert.equal([...raw], [...headers]);
    for (const name of ["a", "x-request-id", "host", "content-type", "accept", "cookie", "__proto__"]) {
      assert.is(raw.get(name), headers.get(name));
    }
  }));
});

test("lines of cookies are one list of cookies", () => {
  assert.is(new RawHeaders(["Cookie", "a=1", "cookie", "b=2"]).get("cookie"), "a=1; b=2");
});

test.run();
