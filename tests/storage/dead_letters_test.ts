// not quick: executions lose worker after worker
// timeout: 240
/**
 * The contract of dead letters: an execution that ends one worker after the other is given up, over every driver.
 * On Redis a delivery is counted when its lease has lapsed, so leases are short here.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FencedError } from "../../src/lib/errors.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { awaitReply, completed, drivers, ending, openEach, requestOf, takeClaim } from "./drivers.ts";
import { endsOnce, rejects } from "./expectations.ts";

for (const driver of drivers()) {
  const test = suite(`Dead letters on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { maxDeliveries: 2, leaseSeconds: 0.3 });

  test("release() of the last delivery ends the execution, and answers its caller", async () => {
    const request = requestOf({ replyTo: store.replies.instance, input: { body: { n: 7 } } });
    const reply = awaitReply(store, request.executionId, { signal: AbortSignal.timeout(60_000) });
    const claim = await bury(store, request);
    const error = { code: "dead_letter", message: "The execution ended 2 workers without progress" };
    const result = { executionId: request.executionId, status: "failed" as const, error };
    assert.equal(await reply, result);
    assert.equal(await store.log.result(request.executionId), result);
    const events = await endsOnce(store, request.executionId);
    assert.equal(events.map(({ type }) => type), ["execution.requested", "execution.failed"]);
    assert.equal(events.at(-1)!.data, { error });
    await rejects(() => store.work.finish(claim, ending(claim)), FencedError);
    assert.is(await store.log.cancel(request.executionId), false);

    const letter = await store.deadLetters.get(request.executionId);
    const { requestedAt, endedAt } = (await store.log.meta(request.executionId))!;
    const { diedAt, ...rest } = letter!;
    const { executionId, workflowId, version, trigger, input } = request;
    assert.equal(rest, { executionId, workflowId, version, trigger, input, requestedAt, deliveries: 2, error });
    assert.ok(Math.abs(diedAt - endedAt!) < 1000);
  });

  test("release() before the last delivery hands the execution to the next worker", async () => {
    const request = requestOf();
    await store.log.request(request);
    const first = await takeClaim(store, request.executionId);
    store.work.release(first);
    const next = await takeClaim(store, request.executionId);
    assert.ok(next.epoch > first.epoch);
    assert.equal([next.sequence, next.input], [1, undefined]);
    await rejects(() => store.work.finish(first, ending(first)), FencedError);
    store.work.release(first);
    await store.work.finish(next, ending(next));
    store.work.release(next);
    await endsOnce(store, request.executionId);
    assert.equal(await store.deadLetters.list({ limit: 10 }), { deadLetters: [] });
  });

  test("progress resets the count, and nothing else does", async () => {
    const request = requestOf();
    await store.log.request(request);
    const first = await takeClaim(store, request.executionId);
    store.work.release(first);
    const second = await takeClaim(store, request.executionId);
    await store.work.append(second, { sequence: 1, events: [completed("a", 1)] });
    store.work.release(second);
    const third = await takeClaim(store, request.executionId);
    const started = { type: "node.started" as const, time: Date.now(), node: "b", data: { attempt: 1 } };
    await store.work.append(third, { sequence: 2, events: [started] });
    store.work.release(third);
    await died(store, request.executionId);
    await rejects(() => store.work.finish(third, ending(third, { sequence: 3 })), FencedError);
    assert.is((await store.deadLetters.get(request.executionId))?.deliveries, 2);
    const events = await endsOnce(store, request.executionId);
    assert.is(events.length, 4);
  });

  test("a node that completes as the claim is suspended is progress too", async () => {
    const request = requestOf();
    await store.log.request(request);
    store.work.release(await takeClaim(store, request.executionId));
    const second = await takeClaim(store, request.executionId);
    await store.work.suspend(second, { sequence: 1, events: [completed("a", 1)], delayMs: 1 });
    store.work.release(await takeClaim(store, request.executionId));
    const last = await takeClaim(store, request.executionId);
    await store.work.finish(last, ending(last));
    await endsOnce(store, request.executionId);
  });

  test("list() pages newest first; get() and drop() find by id", async () => {
    assert.equal(await store.deadLetters.list({ limit: 10 }), { deadLetters: [] });
    const ids: string[] = [];
    for (const workflowId of ["a", "b", "c"]) ids.unshift((await bury(store, { workflowId })).executionId);
    const list = async (options: { limit: number; cursor?: string }) => {
      const { deadLetters, nextCursor } = await store.deadLetters.list(options);
      return { ids: deadLetters.map(({ executionId }) => executionId), nextCursor };
    };
    const all = await store.deadLetters.list({ limit: 10 });
    assert.equal(all.deadLetters.map(({ workflowId }) => workflowId), ["c", "b", "a"]);
    assert.ok(all.deadLetters.every((letter) => !("input" in letter)));
    assert.is(all.nextCursor, undefined);
    assert.equal(await list({ limit: 3 }), { ids, nextCursor: undefined });
    assert.equal(await list({ limit: 2 }), { ids: ids.slice(0, 2), nextCursor: ids[1] });
    assert.equal(await list({ limit: 2, cursor: ids[1]! }), { ids: ids.slice(2), nextCursor: undefined });

    assert.is(await store.deadLetters.drop(ids[1]!), true);
    assert.is(await store.deadLetters.drop(ids[1]!), false);
    assert.is(await store.deadLetters.get(ids[1]!), undefined);
    assert.equal(await list({ limit: 10 }), { ids: [ids[0]!, ids[2]!], nextCursor: undefined });
    assert.equal(await list({ limit: 10, cursor: ids[1]! }), { ids: ids.slice(2), nextCursor: undefined });
    assert.is((await store.deadLetters.get(ids[0]!))?.workflowId, "c");
  });

  test("a dead letter outlives its execution's log", async () => {
    const { executionId } = await bury(store, { input: { body: "x" }, resultTtlSeconds: 1, historyTtlSeconds: 1 });
    await eventually(async () => await store.log.meta(executionId) === undefined, "the end of the log");
    assert.equal((await store.deadLetters.get(executionId))?.input, { body: "x" });
  });

  test("a dead letter keeps a large input whole", async () => {
    const { executionId } = await bury(store, { input: "☃".repeat(50_000) });
    assert.is((await store.deadLetters.get(executionId))?.input, "☃".repeat(50_000));
  });

  if (!driver.isShared) {
    test("the newest thousand are kept", async () => {
      await using mortal = await driver.open("mortal", { maxDeliveries: 1 });
      const ids: string[] = [];
      for (let n = 0; n < 1002; n++) {
        const request = requestOf();
        ids.push(request.executionId);
        await mortal.log.request(request);
        mortal.work.release(await takeClaim(mortal, request.executionId));
      }
      const { deadLetters } = await mortal.deadLetters.list({ limit: 2000 });
      assert.equal(deadLetters.map(({ executionId }) => executionId), ids.slice(2).reverse());
    });
  }

  test.run();
}

/** Requests an execution and lets two workers end over it; its last claim. */
async function bury(store: Store, options: Partial<ExecutionRequest> = {}): Promise<Claim> {
  const request = requestOf(options);
  await store.log.request(request);
  store.work.release(await takeClaim(store, request.executionId));
  const claim = await takeClaim(store, request.executionId);
  store.work.release(claim);
  await died(store, request.executionId);
  return claim;
}

/** Waits for the end. Redis looks for lapsed leases while somebody takes. */
async function died(store: Store, executionId: string): Promise<void> {
  await eventually(async () => {
    await store.work.take({ count: 1, blockMs: 100, signal: AbortSignal.timeout(100) });
    const meta = await store.log.meta(executionId);
    // A short history may be over before it is looked at: then the letter itself tells.
    return meta === undefined ? await store.deadLetters.get(executionId) !== undefined : meta.status === "failed";
  }, "the dead letter");
}
