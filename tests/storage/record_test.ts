/**
 * The contract of the short way, over every driver: what an instance writes after it has run.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AppendRefusedError } from "../../src/lib/errors.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import type { FeedEntry } from "../../src/feed/projections.ts";
import type { Store } from "../../src/storage/store.ts";
import { awaitReply, completed, drivers, requestOf, takenWithin } from "./drivers.ts";
import { rejects } from "./expectations.ts";
import { shortWayRig } from "./short_way_rig.ts";

const { signal } = new AbortController();
const LARGE = "x".repeat(40_000);

for (const driver of drivers()) {
  const test = suite(`Recorded runs on ${driver.name}`);
  let store: Store;
  const { open, runOf, metaOf } = shortWayRig(test, driver, (opened) => store = opened);

  test("record() writes log, result and feed as the long way does, and answers whoever waits", async () => {
    const request = requestOf({ replyTo: store.replies.instance, input: { n: 1 } });
    const run = runOf(request);
    const reply = awaitReply(store, request.executionId);
    assert.equal(await store.shortWay.record(request, run), { executionId: request.executionId, isNew: true });
    assert.is((await reply).output, 7);
    const log = await store.log.read(request.executionId);
    const requested = { type: "execution.requested", time: run.requestedAt };
    assert.equal(
      log.map(({ id: _, ...event }) => event),
      [
        {
          ...requested,
          data: { workflowId: "orders", version: 1, trigger: "hook", input: { n: 1 } },
        },
        ...run.events,
      ],
    );
    assert.equal(log.map(({ id }) => id), [...log.map(({ id }) => id)].sort());
    const meta = await store.log.meta(request.executionId);
    assert.equal([meta!.status, meta!.requestedAt], ["completed", run.requestedAt]);
    assert.ok(meta!.endedAt! >= run.requestedAt);
    assert.equal(await store.log.result(request.executionId), run.result);
    const entries: FeedEntry[] = [];
    while (!entries.some(({ executionId, ended }) => executionId === request.executionId && ended !== undefined)) {
      entries.push(...await store.projections.takeFeed({ count: 100, blockMs: 200, signal }));
    }
    const types = entries.filter(({ executionId }) => executionId === request.executionId).flatMap(({ types }) =>
      types
    );
    assert.equal(types, log.map(({ type }) => type));
    assert.is(await store.log.cancel(request.executionId), false);
    assert.is(await store.log.pause(request.executionId), "ended");
    assert.equal(await takenWithin(store, 50), []);
  });

  test("record() sent again changes nothing", async () => {
    const request = requestOf();
    for (let n = 0; n < 2; n++) {
      assert.equal(await store.shortWay.record(request, runOf(request)), {
        executionId: request.executionId,
        isNew: true,
      });
    }
    assert.is((await store.log.read(request.executionId)).length, 5);
  });

  test("record() keeps large values beside the log, and refuses a log past its limit but for its end", async () => {
    const small = await open({ logLimitBytes: 60_000 });
    const request = requestOf({ input: LARGE });
    const time = store.clock.now();
    const failed: LogEvent = {
      type: "execution.failed",
      time,
      data: { error: { code: "log_limit", message: "It is too large" } },
    };
    const run = runOf(request, {
      events: [
        { type: "execution.started", time, data: { epoch: 1, worker: "w" } },
        { type: "node.started", time, node: "sum", data: { attempt: 1 } },
        completed("sum", LARGE),
        { type: "execution.completed", time, data: { lastNode: "sum" } },
      ],
      result: { executionId: request.executionId, status: "completed", output: LARGE },
    });
    await rejects(async () => await small.shortWay.record(request, run), AppendRefusedError);
    assert.is(await metaOf(request.executionId, small), undefined);
    const result = { executionId: request.executionId, status: "failed", error: failed.data.error } as const;
    await small.shortWay.record(request, { ...run, events: [failed], result });
    assert.is(await metaOf(request.executionId, small), "failed");

    const roomy = requestOf({ input: LARGE });
    await store.shortWay.record(roomy, {
      ...run,
      result: { executionId: roomy.executionId, status: "completed", output: LARGE },
    });
    const [requested, , , done] = await store.log.read(roomy.executionId);
    assert.equal([(requested!.data as { input: string }).input, (done!.data as { output: string }).output], [
      LARGE,
      LARGE,
    ]);
    const [bare] = await store.log.read(roomy.executionId, { values: false, limit: 1 });
    assert.is((bare!.data as { input: null }).input, null);
    assert.is((await store.log.result(roomy.executionId))!.output, LARGE);
  });

  test.run();
}
