import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  decodeBase64,
  decodeBase64Url,
  decodeCanonicalBase64,
  encodeBase64,
  encodeBase64Url,
} from "../../src/lib/base64.ts";

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text);

/** RFC 4648, section 10. */
const VECTORS = [
  ["", ""],
  ["f", "Zg=="],
  ["fo", "Zm8="],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg=="],
  ["fooba", "Zm9vYmE="],
  ["foobar", "Zm9vYmFy"],
] as const;

test("encodeBase64() and decodeBase64() agree with the vectors of RFC 4648", () => {
  for (const [text, base64] of VECTORS) {
    assert.is(encodeBase64(bytesOf(text)), base64);
    assert.equal(decodeBase64(base64), bytesOf(text));
  }
});

test("encodeBase64Url() leaves out padding and uses - and _ (section 5)", () => {
  for (const [text, base64] of VECTORS) assert.is(encodeBase64Url(bytesOf(text)), base64.replaceAll("=", ""));
  const bytes = new Uint8Array([0xfb, 0xef, 0xff]);
  assert.is(encodeBase64(bytes), "++//");
  assert.is(encodeBase64Url(bytes), "--__");
});

test("decodeBase64Url() takes its text with padding and without", () => {
  for (const [text, base64] of VECTORS) {
    assert.equal(decodeBase64Url(base64), bytesOf(text));
    assert.equal(decodeBase64Url(base64.replaceAll("=", "")), bytesOf(text));
  }
});

test("what is encoded decodes to the same bytes, beyond the size of one piece too", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(decodeBase64(encodeBase64(bytes)), bytes);
      assert.equal(decodeBase64Url(encodeBase64Url(bytes)), bytes);
      assert.is(encodeBase64(bytes), Buffer.from(bytes).toString("base64"));
      assert.is(encodeBase64Url(bytes), Buffer.from(bytes).toString("base64url"));
    }),
    { numRuns: 200 },
  );
  const large = Uint8Array.from({ length: 3 * 0x8000 + 1 }, (_, at) => at % 251);
  assert.is(encodeBase64(large), Buffer.from(large).toString("base64"));
  assert.equal(decodeBase64(encodeBase64(large)), large);
});

test("decodeBase64() and decodeBase64Url() throw for what is no base64", () => {
  for (const text of ["Z", "Zg=", "Zg===", "Z*==", "é"]) {
    for (const decode of [decodeBase64, decodeBase64Url]) {
      assert.throws(() => decode(text), (error: unknown) => error instanceof DOMException, text);
    }
  }
});

test("decodeCanonicalBase64() takes the one spelling of some bytes, and gives undefined for any other (section 3.5)", () => {
  for (const [text, base64] of VECTORS) {
    assert.equal(decodeCanonicalBase64(base64), text === "" ? undefined : bytesOf(text));
  }
  for (const text of ["Zg", "Zm8", "Zh==", "Zm9=", " Zg==", "Zg==\n", "Zm 8=", "Zm9-", "Zg==Zg=="]) {
    assert.is(decodeCanonicalBase64(text), undefined, text);
  }
});

test.run();
