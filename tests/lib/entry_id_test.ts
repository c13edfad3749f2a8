import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compareEntryIds, entryIdAfter, entryIdBefore, entryTime, isEntryId } from "../../src/lib/entry_id.ts";

const part = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2_000_000_000_000 }));
const id = fc.tuple(part, part).map(([ms, count]) => `${ms}-${count}`);

test("isEntryId() takes <ms>-<n> and <ms> alone", () => {
  for (const text of ["0-0", "1700000000000-3", "1700000000000"]) assert.ok(isEntryId(text), text);
  for (const text of ["", "-", "1-", "-1", "1-2-3", "a-1", "1.5", " 1-1", "1-1\n", "1".repeat(16), "$", ">"]) {
    assert.not(isEntryId(text), text);
  }
});

test("compareEntryIds() orders by milliseconds, then by count, as numbers", () => {
  const sorted = ["1-0", "1-2", "1-10", "2", "2-1", "10-0"];
  assert.equal(sorted.toReversed().sort(compareEntryIds), sorted);
  fc.assert(fc.property(id, id, (a, b) => {
    const [[aMs, aCount], [bMs, bCount]] = [a.split("-").map(BigInt), b.split("-").map(BigInt)] as [bigint[], bigint[]];
    const expected = (aMs! << 64n | aCount!) - (bMs! << 64n | bCount!);
    assert.is(Math.sign(compareEntryIds(a, b)), expected > 0n ? 1 : expected < 0n ? -1 : 0);
  }));
});

test("compareEntryIds() takes an id without a count for its first", () => {
  assert.is(compareEntryIds("5", "5-0"), 0);
});

test("entryTime() is the time at which an entry was added", () => {
  assert.is(entryTime("1700000000000-3"), 1_700_000_000_000);
  assert.is(entryTime("1700000000000"), 1_700_000_000_000);
});

test("entryIdAfter() counts on in the same millisecond", () => {
  assert.is(entryIdAfter("5-3", 0), "5-3");
  assert.is(entryIdAfter("5-9", 2), "5-11");
  fc.assert(fc.property(part, fc.nat(2_000_000_000), fc.nat(1000), (ms, count, more) => {
    assert.is(entryIdAfter(`${ms}-${count}`, more), `${ms}-${count + more}`);
  }));
});

test("entryIdBefore() comes before an id, and nothing lies between them but counts that Redis never gives", () => {
  assert.is(entryIdBefore("5-3"), "5-2");
  assert.is(entryIdBefore("5-0"), "4-999999999999999");
  assert.is(entryIdBefore("0-0"), "0-0");
  fc.assert(fc.property(id.filter((it) => it !== "0-0"), (it) => {
    assert.ok(compareEntryIds(entryIdBefore(it), it) < 0);
    assert.ok(isEntryId(entryIdBefore(it)));
  }));
});

test.run();
