import { test } from "uvu";
import * as assert from "uvu/assert";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import { requestOf } from "../drivers.ts";

/** More than twice what the feed keeps. */
const MANY = 20_001;
const { signal } = new AbortController();

test("MemoryArchiveFeed counts what was trimmed before it was taken, and goes on after it", async () => {
  await using store = createMemoryStore({ instance: "a", queueLimit: 2 * MANY });
  const ids: string[] = [];
  const request = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const made = requestOf();
      ids.push(made.executionId);
      await store.log.request(made);
    }
  };
  const { archiveFeed } = store;
  await request(10);
  const first = await archiveFeed.take({ count: 4, blockMs: 0, signal });
  await archiveFeed.done(first, { archived: [] });
  const second = await archiveFeed.take({ count: 3, blockMs: 0, signal });
  await request(MANY - 10);
  const { entries, missed } = await archiveFeed.backlog();
  // The second batch is under way.
  assert.is(missed, MANY - entries - 7);
  assert.ok(entries >= 10_000);
  archiveFeed.again();
  assert.is((await archiveFeed.backlog()).missed, missed + 3);
  assert.is(second.length, 3);
  const [next] = await archiveFeed.take({ count: 1, blockMs: 0, signal });
  assert.is(next!.executionId, ids[MANY - entries]);
});

test.run();
