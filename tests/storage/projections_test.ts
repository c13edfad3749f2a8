/**
 * The contract of the projections, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Assembler } from "../../src/feed/assembler.ts";
import { hasDocument } from "../../src/feed/progress_document.ts";
import type { FeedEntry, FeedMark, FollowedEntry } from "../../src/feed/projections.ts";
import type { Store } from "../../src/storage/store.ts";
import { pause } from "../../src/lib/delay.ts";
import { eventually } from "../support/eventually.ts";
import { completed, drivers, ending, openEach, requestOf, takeClaim } from "./drivers.ts";

const workflows = { get: () => Promise.resolve(undefined) };

for (const driver of drivers()) {
  const test = suite(`Projections on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  test("takeFeed() names every event, and the entry that ends an execution carries its summary", async () => {
    const request = requestOf({ historyTtlSeconds: 100 });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.finish(claim, ending(claim));
    const entries = await takeAll(store, 2);
    assert.equal(entries.map((entry) => entry.types), [["execution.requested"], ["execution.completed"]]);
    assert.equal(entries.map((entry) => entry.executionId), [request.executionId, request.executionId]);
    const events = await store.log.read(request.executionId);
    assert.equal([entries[0]!.first, entries[1]!.last], [events[0]!.id, events.at(-1)!.id]);
    const ended = entries[1]!.ended!;
    assert.is(ended.status, "completed");
    assert.ok(Math.abs(ended.keptUntil - ended.endedAt - 100_000) < 2000);
  });

  test("list() pages newest first, by workflow and by status", async () => {
    const ids: string[] = [];
    for (const workflowId of ["a", "b", "a", "b", "a"]) {
      const request = requestOf({ workflowId });
      ids.unshift(request.executionId);
      await store.log.request(request);
    }
    const claim = await takeClaim(store, ids[0]!);
    await store.work.finish(claim, ending(claim));
    const entries = await takeAll(store, 6);
    await store.projections.applyFeed(entries);
    await store.projections.applyFeed(entries);
    const list = async (options: Partial<Parameters<Store["projections"]["list"]>[0]>) => {
      const { executions, nextCursor } = await store.projections.list({ limit: 10, ...options });
      return { ids: executions.map((execution) => execution.executionId), nextCursor };
    };
    assert.equal(await list({}), { ids, nextCursor: undefined });
    const first = await list({ limit: 2 });
    assert.equal(first, { ids: ids.slice(0, 2), nextCursor: ids[1] });
    assert.equal(await list({ limit: 3, cursor: first.nextCursor! }), { ids: ids.slice(2), nextCursor: undefined });
    assert.equal((await list({ workflowId: "b" })).ids, [ids[1], ids[3]]);
    assert.equal((await list({ status: "completed" })).ids, [ids[0]]);
    assert.equal((await list({ status: "pending" })).ids, ids.slice(1));
    assert.equal((await list({ status: "pending", workflowId: "a" })).ids, [ids[2], ids[4]]);
    assert.equal((await list({ status: "failed" })).ids, []);
  });

  test("sweep() forgets executions whose log has expired", async () => {
    const ids: string[] = [];
    for (const historyTtlSeconds of [600, 1]) {
      const request = requestOf({ resultTtlSeconds: 1, historyTtlSeconds });
      await store.log.request(request);
      const claim = await takeClaim(store, request.executionId);
      await store.work.finish(claim, ending(claim));
      ids.push(request.executionId);
    }
    await store.projections.applyFeed(await takeAll(store, 4));
    const listed = async () =>
      (await store.projections.list({ limit: 10 })).executions.map(({ executionId }) => executionId);
    assert.ok((await listed()).includes(ids[0]!));
    await eventually(async () => {
      await store.projections.sweep();
      return !(await listed()).includes(ids[1]!);
    }, "the end in the list");
    assert.equal(await listed(), [ids[0]]);
  });

  test("the assembler keeps a progress document of what runs", async () => {
    const assembler = new Assembler({ ...store, workflows });
    assembler.start();
    try {
      const request = requestOf();
      await store.log.request(request);
      const claim = await takeClaim(store, request.executionId);
      await store.work.append(claim, {
        sequence: 1,
        events: [
          { type: "execution.started", time: Date.now(), data: { epoch: 1, worker: "a" } },
          completed("sum", 1),
          { type: "node.started", time: Date.now(), node: "wait", data: { attempt: 1 } },
        ],
      });
      const document = await eventually(async () => {
        const found = await store.projections.progress(request.executionId);
        return found?.document.currentStep === "wait" && found.document;
      }, "a progress document at the node wait");
      assert.equal([document.status, document.progress, document.completedSteps, document.totalSteps], [
        "running",
        66,
        2,
        3,
      ]);
      await store.work.finish(claim, ending(claim, { sequence: 4 }));
      await eventually(async () => {
        const found = await store.projections.progress(request.executionId);
        return found === undefined || found.document.status === "completed";
      }, "the end in the progress document");
    } finally {
      await assembler.stop();
    }
  });

  test("an execution that ended at once leaves no document, however late its end is told", async () => {
    const { projections } = store;
    const later: FeedEntry[] = [];
    let isTold = false;
    const assembler = new Assembler({
      ...store,
      workflows,
      projections: {
        takeFeed: async (options) => {
          if (later.length > 0 || isTold) {
            await pause(20);
            return isTold ? later.splice(0) : [];
          }
          const entries = await projections.takeFeed(options);
          const isLater = ({ ended, executionId }: FeedEntry) => ended !== undefined && executionId === id;
          later.push(...entries.filter(isLater));
          return entries.filter((entry) => !isLater(entry));
        },
        applyFeed: (entries, held) => projections.applyFeed(entries, held),
        putProgress: (kept, ended) => projections.putProgress(kept, ended),
        dropProgress: (ids) => projections.dropProgress(ids),
        sweep: () => projections.sweep(),
      } as Store["projections"],
    });
    // On a machine that stalls, the first may take too long to have ended at once.
    const id = await eventually(async () => {
      const { executionId } = requestOf();
      await store.log.request(requestOf({ executionId }));
      const claim = await takeClaim(store, executionId);
      const started = { type: "execution.started", time: Date.now(), data: { epoch: 1, worker: "a" } } as const;
      await store.work.append(claim, { sequence: 1, events: [started] });
      await store.work.append(claim, { sequence: 2, events: [completed("sum", 1)] });
      await store.work.finish(claim, ending(claim, { sequence: 3 }));
      const { requestedAt, endedAt } = (await store.log.meta(executionId))!;
      return !hasDocument({ requestedAt, endedAt: endedAt! }) && executionId;
    }, "one that ended at once");
    assembler.start();
    try {
      await eventually(() => later.length === 1, "the end's entry");
      // Its document was due after 200 ms.
      await pause(400);
      assert.is(await projections.progress(id), undefined, "before its end is told");
      isTold = true;
      await eventually(async () => (await listed("completed")).includes(id), "its end in the list");
      assert.is(await projections.progress(id), undefined, "and after");
    } finally {
      await assembler.stop();
    }
    async function listed(status: "completed") {
      return (await projections.list({ limit: 10, status })).executions.map(({ executionId }) => executionId);
    }
  });

  test("followFeed() gives what comes after it began, and goes on after an entry", async () => {
    await store.log.request(requestOf());
    const controller = new AbortController();
    const seen: FollowedEntry[] = [];
    const marks: FeedMark[] = [];
    const following = (async () => {
      for await (const entry of store.projections.followFeed({ signal: controller.signal })) {
        if ("mark" in entry) marks.push(entry);
        else seen.push(entry);
      }
    })();
    await eventually(() => Promise.resolve(marks.length > 0), "where it is");
    const requests = [requestOf(), requestOf()];
    for (const request of requests) await store.log.request(request);
    await eventually(() => Promise.resolve(seen.length >= 2), "two entries of the feed");
    controller.abort();
    await following;
    const ids = (entries: FeedEntry[]) => entries.map((entry) => entry.executionId).sort();
    assert.equal(ids(seen), requests.map((request) => request.executionId).sort());
    const [at] = marks as [FeedMark & { mark: "at" }];
    assert.equal(marks, [{ mark: "at", cursor: at.cursor }]);
    const isOrdered = seen[0]!.partition === seen[1]!.partition;
    for (const [after, left] of [[at.cursor, seen], [seen[0]!.cursor, seen.slice(1)]] as const) {
      const again = new AbortController();
      const came: FollowedEntry[] = [];
      for await (const entry of store.projections.followFeed({ signal: again.signal, after })) {
        came.push(entry as FollowedEntry);
        if (came.length === left.length) again.abort();
      }
      assert.equal(ids(came), ids(left));
      // Entries of different partitions have no order among them.
      if (isOrdered) assert.is(came[0]!.executionId, left[0]!.executionId);
    }
  });

  test("followFeed() says gap when what came after the cursor is gone", async () => {
    const controller = new AbortController();
    await store.log.request(requestOf());
    for await (const entry of store.projections.followFeed({ signal: controller.signal, after: "1-1" })) {
      const [oldest] = await takeAll(store, 1);
      assert.equal(entry, { mark: "gap", after: "1-1", before: oldest!.id });
      controller.abort();
    }
  });

  test.run();
}

async function takeAll(from: Store, count: number): Promise<FeedEntry[]> {
  const entries: FeedEntry[] = [];
  const signal = AbortSignal.timeout(60_000);
  while (entries.length < count && !signal.aborted) {
    const more = await from.projections.takeFeed({ count: 100, blockMs: 200, signal });
    for (const entry of more) {
      if (!entries.some((known) => known.id === entry.id && known.partition === entry.partition)) entries.push(entry);
    }
  }
  return entries;
}
