/**
 * The contract of followers of the feed who read more slowly than it forgets, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { setImmediate } from "node:timers/promises";
import type { FeedMark, FollowedEntry } from "../../src/feed/projections.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually, WAIT_LIMIT_MS } from "../support/eventually.ts";
import { drivers, openEach, requestOf } from "./drivers.ts";

/** On Redis a follower falls behind by 1 Mi characters a partition; in memory only what is cut from the feed is gone. */
const SHARED = { batches: 10, workflowId: "w".repeat(4000) };
const MEMORY = { batches: 202, workflowId: "w" };
const BATCH = 100;

for (const driver of drivers()) {
  const test = suite(`Slow followers on ${driver.name}`);
  let store: Store;

  let controller: AbortController;

  openEach(test, driver, (opened) => store = opened, { feedKeptMs: 1 });
  test.before.each(() => {
    controller = new AbortController();
  });
  test.after.each(() => controller.abort());

  test("followFeed() yields a gap where entries went before they were read, and nowhere else", async () => {
    const { batches, workflowId } = driver.isShared ? SHARED : MEMORY;
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(WAIT_LIMIT_MS)]);
    const request = (count: number) =>
      Promise.all(Array.from({ length: count }, () => store.log.request(requestOf({ workflowId }))));
    /** What a follower who is never behind gets. */
    const all: FollowedEntry[] = [];
    const marks: FeedMark[] = [];
    const following = (async () => {
      for await (const item of store.projections.followFeed({ signal })) {
        if ("mark" in item) marks.push(item);
        else all.push(item);
      }
    })();
    const slow = store.projections.followFeed({ signal })[Symbol.asyncIterator]();
    await eventually(() => marks.length === 1, "one follows");
    assert.is((await slow.next()).value.mark, "at");
    // From its first entry on it waits to be asked for more.
    const first = slow.next();
    await request(1);
    const { cursor } = (await first).value as FollowedEntry;
    for (let sent = 0; sent < batches; sent++) {
      await request(BATCH);
      await setImmediate();
    }
    await eventually(() => all.length === 1 + batches * BATCH, "the other one has had all");
    await eventually(async () => {
      await store.projections.applyFeed(await store.projections.takeFeed({ count: 5000, blockMs: 1, signal }));
      await store.projections.sweep();
      for await (const item of store.projections.followFeed({ signal, after: cursor })) {
        return "mark" in item && item.mark === "gap";
      }
    }, "the feed is trimmed");
    await request(BATCH);
    await eventually(() => all.length === 1 + batches * BATCH + BATCH, "the other one has had what is new");

    /** The ids of each partition's entries, the newest first. */
    const left = new Map<number, string[]>();
    for (const { partition, id } of all.toReversed()) {
      if (left.get(partition)?.push(id) === undefined) left.set(partition, [id]);
    }
    const hasGap = new Set<number>();
    let [lost, gaps] = [0, 0];
    left.get(all[0]!.partition)!.pop();
    while ([...left.values()].some(({ length }) => length > 0)) {
      const item = (await slow.next()).value as FollowedEntry | FeedMark;
      if ("mark" in item) {
        gaps++;
        for (const partition of left.keys()) hasGap.add(partition);
        continue;
      }
      const ids = left.get(item.partition)!;
      const missing = ids.length - 1 - ids.lastIndexOf(item.id);
      assert.ok(
        missing === 0 || (missing < ids.length && hasGap.has(item.partition)),
        `${missing} entries are missing`,
      );
      lost += missing;
      ids.length -= missing + 1;
      hasGap.delete(item.partition);
    }
    assert.ok(lost > 0 && gaps > 0 && gaps <= left.size, `${lost} lost, ${gaps} gaps`);
    assert.is(marks.length, 1);
    controller.abort();
    await following;
  });

  test.run();
}
