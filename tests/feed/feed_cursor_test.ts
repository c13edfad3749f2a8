import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../src/lib/errors.ts";
import { decodeFeedCursor, encodeFeedCursor, isFeedCursor } from "../../src/feed/feed_cursor.ts";

const entryId = fc.oneof(
  fc.constant("0-0"),
  fc.tuple(fc.integer({ min: 1, max: 10 ** 15 - 1 }), fc.integer({ min: 0, max: 10 ** 6 })).map(([ms, n]) =>
    `${ms}-${n}`
  ),
);

test("decodeFeedCursor() gives what encodeFeedCursor() was given, for any number of partitions", () => {
  fc.assert(
    fc.property(fc.array(entryId, { minLength: 1, maxLength: 40 }), (ids) => {
      const cursor = encodeFeedCursor(ids);
      assert.ok(isFeedCursor(cursor), cursor);
      assert.equal(decodeFeedCursor(cursor, ids.length), { ids, isExact: true });
      assert.throws(() => decodeFeedCursor(`-${cursor}`, ids.length), (e: unknown) => e instanceof MillraceError);
    }),
  );
});

test("encodeFeedCursor() gives the entry id itself for one partition, and a short text for sixteen", () => {
  assert.is(encodeFeedCursor(["1700000000000-3"]), "1700000000000-3");
  assert.is(encodeFeedCursor(["1700000000000-0", "0-0", "1699999999990-3"]), "floyw3v28_0__a.3");
  const sixteen = Array.from({ length: 16 }, (_, i) => `${1_700_000_000_000 - i * 4321}-${i}`);
  assert.ok(encodeFeedCursor(sixteen).length < 130);
});

test("isFeedCursor() refuses what is neither an entry id nor places of several partitions", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    if (isFeedCursor(text)) assert.match(text, /^(\d{1,15}(-\d{1,15})?|f[0-9a-z_.]+)$/);
  }));
  const wrong = [
    "",
    "f",
    "f_",
    "fa",
    "fa_0",
    "fa_0_",
    "fa_b_0",
    "fa_0_0 ",
    "fa__0.",
    "fA_0_0",
    "fa_0_.1",
    "x",
    "1-2-3",
  ];
  assert.equal(wrong.filter((text) => isFeedCursor(text)), ["fa_0_"]);
});

test("decodeFeedCursor() says when an entry id cannot say where all partitions are", () => {
  assert.equal(decodeFeedCursor("5-1", 1), { ids: ["5-1"], isExact: true });
  assert.equal(decodeFeedCursor("5", 2), { ids: ["5-0", "5-0"], isExact: false });
  assert.equal(decodeFeedCursor("0-0", 2), { ids: ["0-0", "0-0"], isExact: true });
  for (const partitions of [1, 3]) assert.throws(() => decodeFeedCursor("fa_0_0", partitions), /is not an id of this/);
});

test.run();
