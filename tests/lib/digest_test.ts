import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sameDigest, sameText, sha256 } from "../../src/lib/digest.ts";

/** FIPS 180-4's examples, and the digests of nothing and of a million letters, which NIST publishes with them. */
const VECTORS = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
] as const;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("sha256() agrees with the vectors of FIPS 180-4, for texts and for bytes", async () => {
  for (const [text, digest] of VECTORS) {
    assert.is(hex(await sha256(text)), digest);
    assert.is(hex(await sha256(new TextEncoder().encode(text))), digest);
  }
});

test("sha256() of a text is that of its UTF-8", async () => {
  assert.is(hex(await sha256("é")), hex(await sha256(new Uint8Array([0xc3, 0xa9]))));
});

test("sameDigest() tells any two apart that differ in one bit, wherever it is, or in length", () => {
  const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const place = fc.record({ at: fc.integer({ min: 0, max: 31 }), bit: fc.integer({ min: 0, max: 7 }) });
  fc.assert(fc.property(digest, place, (bytes, { at, bit }) => {
    const other = bytes.slice();
    assert.ok(sameDigest(bytes, other));
    other[at]! ^= 1 << bit;
    assert.not(sameDigest(bytes, other));
    assert.not(sameDigest(bytes, bytes.subarray(0, 31)));
    assert.not(sameDigest(bytes.subarray(0, 31), bytes));
  }));
});

test("sameText() is true for the same text only", async () => {
  for (const [a, b] of [["", ""], ["token", "token"], ["é", "é"]] as const) assert.ok(await sameText(a, b));
  for (const [a, b] of [["", "a"], ["token", "Token"], ["token", "token "], ["é", "e\u0301"]] as const) {
    assert.not(await sameText(a, b), `${a} and ${b}`);
  }
});

test.run();
