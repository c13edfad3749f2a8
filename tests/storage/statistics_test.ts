/**
 * The contract of what is counted and kept of the feed, and of making it anew, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Assembler } from "../../src/feed/assembler.ts";
import { currentDocument, hasDocument, type KeptDocument } from "../../src/feed/progress_document.ts";
import { rebuild } from "../../src/feed/rebuild.ts";
import { bucketOf, dayOf } from "../../src/feed/statistics.ts";
import type { FeedEntry } from "../../src/feed/projections.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { completed, drivers, ending, openEach, requestOf, takeClaim } from "./drivers.ts";
import { unwrittenRun } from "./short_way_rig.ts";

const workflows = { get: () => Promise.resolve(undefined) };

for (const driver of drivers()) {
  const test = suite(`Statistics on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  test("days() counts each end once, by status and duration, however often it is applied", async () => {
    const ids: string[] = [];
    for (const status of ["completed", "completed", "failed"] as const) {
      const request = requestOf();
      ids.push(request.executionId);
      await store.log.request(request);
      await end(store, request.executionId, status);
    }
    const entries = await apply(store, 6);
    await store.projections.applyFeed(entries);
    const ended = entries.flatMap(({ ended }) => ended ?? []);
    const today = dayOf(ended[0]!.endedAt);
    const [day, other] = await store.statistics.days("orders", [today, "2020-01-01"]);
    assert.equal([day!.completed, day!.failed, day!.cancelled], [2, 1, 0]);
    const took = ended.map(({ requestedAt, endedAt }) => endedAt - requestedAt);
    assert.is(day!.durationMs, took.reduce((sum, ms) => sum + ms, 0));
    for (const [bucket, count] of day!.buckets.entries()) {
      assert.is(count, took.filter((ms) => bucketOf(ms) === bucket).length);
    }
    assert.equal([other!.completed, other!.durationMs], [0, 0]);
    assert.equal(await store.statistics.days("others", [today]), [{ ...other!, day: today }]);
  });

  test("active() and countByStatus() follow what begins, pauses and ends", async () => {
    const [first, second] = [requestOf(), requestOf()];
    for (const request of [first, second]) await store.log.request(request);
    await apply(store, 2);
    assert.equal(await store.statistics.active({ limit: 10 }), {
      ids: [second.executionId, first.executionId],
      total: 2,
    });
    assert.equal(await store.statistics.active({ limit: 1 }), { ids: [second.executionId], total: 2 });
    assert.equal(await store.statistics.active({ limit: 1, oldest: true }), { ids: [first.executionId], total: 2 });
    const both = await store.statistics.active({ limit: 10, oldest: true });
    assert.equal(both, { ids: [first.executionId, second.executionId], total: 2 });
    const counts = { pending: 2, running: 0, completed: 0, failed: 0, cancelled: 0 };
    assert.equal(await store.statistics.countByStatus(), counts);
    await store.log.pause(first.executionId);
    await apply(store, 1);
    assert.equal(await store.statistics.countByStatus(), { ...counts, pending: 1, running: 1 });
    await store.log.cancel(second.executionId);
    await apply(store, 1);
    assert.equal(await store.statistics.countByStatus(), { ...counts, pending: 0, running: 1, cancelled: 1 });
    assert.equal((await store.statistics.active({ limit: 10 })).ids, [first.executionId]);
  });

  test("putProgress() lets a document with more of the log stand", async () => {
    const { executionId } = requestOf();
    const at = (upTo: string, progress: number): KeptDocument => ({
      upTo,
      document: {
        ...{ executionId, workflowId: "w", status: "running", progress, currentStep: null },
        ...{ totalSteps: 2, completedSteps: 1, data: { list: [] }, startedAt: 1, updatedAt: 2 },
      },
    });
    await store.projections.putProgress(at("9-9", 1));
    for (const kept of [at("10-0", 2), at("9-10", 3), at("10-0", 4)]) await store.projections.putProgress(kept);
    assert.equal(await store.projections.progress(executionId), at("10-0", 2));
    await store.projections.putProgress(at("10-1", 5));
    assert.is((await store.projections.progress(executionId))!.document.progress, 5);
    await store.projections.dropProgress([executionId]);
    assert.is(await store.projections.progress(executionId), undefined);
  });

  test("rebuild() gives the same lists, counters and documents, as often as one likes", async () => {
    const assembler = new Assembler({ ...store, workflows });
    assembler.start();
    const ids: string[] = [];
    const open = async () => {
      const request = requestOf();
      ids.push(request.executionId);
      await store.log.request(request);
      const claim = await takeClaim(store, request.executionId);
      const started = { type: "execution.started", time: store.clock.now(), data: { epoch: 1, worker: "a" } } as const;
      await store.work.append(claim, { sequence: 1, events: [started, completed("sum", 1)] });
      return claim;
    };
    try {
      const [running, slow] = [await open(), await open()];
      for (const status of ["completed", "failed"] as const) {
        const request = requestOf();
        ids.push(request.executionId);
        await store.log.request(request);
        await end(store, request.executionId, status);
      }
      const recorded = requestOf();
      ids.push(recorded.executionId);
      await store.shortWay.record(recorded, unwrittenRun(recorded, store));
      const kept = (id: string, status: string) => async () =>
        (await store.projections.progress(id))?.document.status === status;
      for (const { executionId } of [running, slow]) {
        await eventually(kept(executionId, "running"), "the documents of what runs");
      }
      await store.work.finish(slow, ending(slow, { sequence: 3 }));
      await eventually(kept(slow.executionId, "completed"), "the document of what took long");
      await eventually(
        async () => {
          const { completed, failed } = await store.statistics.countByStatus();
          return completed === 3 && failed === 1;
        },
        "all ends",
      );
    } finally {
      await assembler.stop();
    }
    const before = await everything(store, ids);
    // What ended at once has no document; where this process stood still, it took long.
    const atOnce = await Promise.all(
      ids.slice(2).map(async (id) => {
        const { status, requestedAt, endedAt } = (await store.log.meta(id))!;
        return hasDocument({ requestedAt, endedAt: endedAt! }) ? status : undefined;
      }),
    );
    assert.equal(before.documents.map((kept) => kept?.document.status), ["running", "completed", ...atOnce]);
    assert.is(before.days[0]!.completed, 3);
    for (let time = 0; time < 2; time++) {
      assert.is(await rebuildAll(store), 5);
      await store.projections.sweep();
      assert.equal(await everything(store, ids), before);
    }
    const shown = await currentDocument({ ...store, workflows }, ids[0]!);
    assert.equal(shown, before.documents[0]!.document);
    await store.projections.dropProgress(ids);
    assert.equal(await currentDocument({ ...store, workflows }, ids[0]!), shown);
  });

  test("what was counted outlives its executions, and a rebuild", async () => {
    const request = requestOf({ resultTtlSeconds: 1, historyTtlSeconds: 1 });
    await store.log.request(request);
    await end(store, request.executionId);
    await apply(store, 2);
    const today = dayOf(store.clock.now());
    await eventually(async () => {
      await store.projections.sweep();
      return (await store.projections.list({ limit: 10 })).executions.length === 0 &&
        await store.log.meta(request.executionId) === undefined;
    }, "the end of its history");
    const second = requestOf();
    await store.log.request(second);
    await end(store, second.executionId);
    await apply(store, 2);
    for (let time = 0; time < 2; time++) {
      assert.is((await store.statistics.days("orders", [today]))[0]!.completed, 2);
      await rebuildAll(store);
      await store.projections.sweep();
    }
  });

  test("sweep() forgets what was archived when it has expired, whoever had heard of its end first", async () => {
    await using archiving = await driver.open("archiving", { archivedTtlSeconds: 1, historyTtlSeconds: 600 });
    const today = dayOf(store.clock.now());
    for (const archivedFirst of [false, true]) {
      const request = requestOf({ historyTtlSeconds: 600 });
      await archiving.log.request(request);
      await end(archiving, request.executionId);
      if (!archivedFirst) await apply(archiving, 2);
      await archive(archiving, request.executionId);
      if (archivedFirst) await apply(archiving, 2);
    }
    await eventually(async () => {
      await archiving.projections.sweep();
      return (await archiving.statistics.countByStatus()).completed === 0;
    }, "both are forgotten");
    assert.is((await archiving.statistics.days("orders", [today]))[0]!.completed, 2);
  });

  test.run();
}

/** Archives what has ended, that execution too. */
async function archive(store: Store, id: string): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  for (let found = false; !found && !signal.aborted;) {
    const entries = await store.archiveFeed.take({ count: 100, blockMs: 200, signal });
    const archived = entries.filter(({ ended }) => ended !== undefined);
    await store.archiveFeed.done(entries, { archived });
    found = archived.some(({ executionId }) => executionId === id);
  }
}

/** So many more entries of the feed, applied. */
async function apply(store: Store, count: number): Promise<FeedEntry[]> {
  const signal = AbortSignal.timeout(60_000);
  const all: FeedEntry[] = [];
  while (all.length < count && !signal.aborted) {
    const entries = await store.projections.takeFeed({ count: 100, blockMs: 200, signal });
    all.push(...entries);
    await store.projections.applyFeed(entries);
  }
  return all;
}

async function rebuildAll(store: Store): Promise<number> {
  let done = 0;
  for await (const rebuilt of rebuild({ ...store, workflows })) done = rebuilt.done;
  return done;
}

async function everything(store: Store, ids: readonly string[]) {
  const { projections, statistics } = store;
  return {
    list: (await projections.list({ limit: 100 })).executions,
    failed: (await projections.list({ limit: 100, status: "failed" })).executions,
    orders: (await projections.list({ limit: 100, workflowId: "orders" })).executions,
    active: await statistics.active({ limit: 100 }),
    counts: await statistics.countByStatus(),
    days: await statistics.days("orders", [dayOf(store.clock.now())]),
    documents: await Promise.all(ids.map((id) => projections.progress(id))),
  };
}

async function end(store: Store, id: string, status: "completed" | "failed" = "completed"): Promise<void> {
  const claim = await takeClaim(store, id);
  const error = { code: "x", message: "y" };
  const event = status === "completed"
    ? { type: "execution.completed", time: store.clock.now(), data: { lastNode: "hook" } } as const
    : { type: "execution.failed", time: store.clock.now(), data: { error } } as const;
  await store.work.finish(claim, ending(claim, { events: [event], result: { executionId: id, status } }));
}
