/**
 * The contract of suspending: a claim is given up until its time comes, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FencedError } from "../../src/lib/errors.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import type { Store } from "../../src/storage/store.ts";
import { awaitReply, completed, drivers, ending, requestOf, takeClaim, takenWithin } from "./drivers.ts";
import { endsOnce, refuses, rejects } from "./expectations.ts";

for (const driver of drivers()) {
  const test = suite(`Timers on ${driver.name}`);
  let store: Store;

  test.before(async () => {
    store = await driver.open("a");
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("suspend() appends, and hands the execution out again when its time has come", async () => {
    const claim = await claimed(store);
    const startedAt = Date.now();
    const events = [completed("a", 1), waiting("wait", 300)];
    assert.is(await store.work.suspend(claim, { sequence: 1, events, delayMs: 300 }), "suspended");
    const logged = await store.log.read(claim.executionId);
    assert.equal(logged.map(({ type }) => type), ["execution.requested", "node.completed", "node.waiting"]);
    assert.is((await store.log.meta(claim.executionId))?.status, "running");
    const next = await takeClaim(store, claim.executionId);
    assert.ok(Date.now() - startedAt >= 290);
    assert.ok(next.epoch > claim.epoch);
    assert.equal([next.sequence, next.input, next.paused], [3, undefined, false]);
    assert.equal([next.trigger, next.version, next.requestedAt], [claim.trigger, claim.version, claim.requestedAt]);
    await store.work.finish(next, ending(next));
    await endsOnce(store, claim.executionId);
  });

  test("suspend() makes room in the queue", async () => {
    await using narrow = await driver.open("narrow", { queueLimit: 1 });
    const claim = await claimed(narrow);
    // Each partition has a limit of its own.
    if (!driver.name.includes("partitions")) await refuses(() => narrow.log.request(requestOf()), "queue_full");
    await narrow.work.suspend(claim, { sequence: 1, events: [], delayMs: 200_000 });
    const request = requestOf();
    await narrow.log.request(request);
    for (const id of [claim.executionId, request.executionId]) assert.is(await narrow.log.cancel(id), true);
  });

  test("suspend() keeps who waits for the reply", async () => {
    const claim = await claimed(store, { replyTo: store.replies.instance, replyEarly: true });
    const reply = awaitReply(store, claim.executionId, { signal: AbortSignal.timeout(60_000) });
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 10 });
    const next = await takeClaim(store, claim.executionId);
    assert.equal([next.replyTo, next.replyEarly], [store.replies.instance, true]);
    await store.work.finish(next, ending(next));
    assert.is((await reply).status, "completed");
  });

  test("suspend() fences the claim that was given up, before its time and after", async () => {
    const claim = await claimed(store);
    await store.work.suspend(claim, { sequence: 1, events: [completed("a", 1)], delayMs: 100 });
    const more = { sequence: 2, events: [completed("b", 2)] };
    await rejects(() => store.work.append(claim, more), FencedError);
    await rejects(() => store.work.suspend(claim, { ...more, delayMs: 1 }), FencedError);
    const next = await takeClaim(store, claim.executionId);
    await rejects(() => store.work.append(claim, more), FencedError);
    await rejects(() => store.work.append(claim, { sequence: 1, events: [completed("a", 1)] }), FencedError);
    await rejects(() => store.work.suspend(claim, { sequence: 2, events: [], delayMs: 1 }), FencedError);
    await rejects(() => store.work.finish(claim, ending(claim, { sequence: 2 })), FencedError);
    await store.work.finish(next, ending(next));
    await endsOnce(store, claim.executionId);
  });

  test("append() refuses what another claim has appended, though it would be the same in number", async () => {
    const claim = await claimed(store);
    await store.work.suspend(claim, { sequence: 1, events: [completed("a", 1)], delayMs: 1 });
    const next = await takeClaim(store, claim.executionId);
    await rejects(() => store.work.append(next, { sequence: 1, events: [completed("b", 2)] }), FencedError);
    assert.is((await store.log.read(claim.executionId)).length, 2);
    assert.is(await store.log.cancel(claim.executionId), true);
    await endsOnce(store, claim.executionId);
  });

  test("suspend() sent twice appends once and answers alike", async () => {
    const claim = await claimed(store);
    const options = { sequence: 1, events: [completed("a", 1)], delayMs: 60_000 };
    assert.is(await store.work.suspend(claim, options), "suspended");
    assert.is(await store.work.suspend(claim, options), "suspended");
    // Which wakes it before its time.
    for (const what of ["pause", "resume"] as const) await store.log[what](claim.executionId);
    const next = await takeClaim(store, claim.executionId);
    assert.is(next.sequence, 2);
    assert.equal(await takenWithin(store, 200), []);
    await store.work.finish(next, ending(next));
    assert.is((await endsOnce(store, claim.executionId)).length, 5);
  });

  test("suspend() again and again raises the epoch each time, with events or without", async () => {
    let claim = await claimed(store);
    const { executionId } = claim;
    const epochs = [claim.epoch];
    for (const events of [[completed("a", 1)], [], [completed("b", 2)]]) {
      await store.work.suspend(claim, { sequence: claim.sequence, events, delayMs: 1 });
      claim = await takeClaim(store, executionId);
      epochs.push(claim.epoch);
    }
    assert.equal(epochs, [...new Set(epochs)].sort((a, b) => a - b));
    assert.is(claim.sequence, 3);
    await store.work.finish(claim, ending(claim));
    await endsOnce(store, executionId);
  });

  test("suspend() refuses a sequence that is not the log's", async () => {
    const claim = await claimed(store);
    await rejects(
      () => store.work.suspend(claim, { sequence: 4, events: [completed("a", 1)], delayMs: 1 }),
      FencedError,
    );
    assert.is((await store.log.read(claim.executionId)).length, 1);
    assert.is(await store.log.cancel(claim.executionId), true);
  });

  test("suspend() wakes at the deadline when that comes before the delay is over", async () => {
    const claim = await claimed(store, { timeoutMs: 400 });
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 60_000 });
    const next = await takeClaim(store, claim.executionId);
    assert.ok(Date.now() - claim.requestedAt >= 390);
    await store.work.finish(next, ending(next));
  });

  test("suspend() past the deadline is due at once", async () => {
    const claim = await claimed(store, { timeoutMs: 1 });
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 60_000 });
    const next = await takeClaim(store, claim.executionId);
    await store.work.finish(next, ending(next));
  });

  test("suspend() for longer than a timer can count is not due at once", async () => {
    const claim = await claimed(store, { timeoutMs: 2 ** 33 });
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 2 ** 32 });
    assert.equal(await takenWithin(store, 100), []);
    assert.is(await store.log.cancel(claim.executionId), true);
  });

  test("cancel() of a suspended execution ends it, and it is not handed out when its time comes", async () => {
    const claim = await claimed(store);
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 100 });
    assert.is(await store.log.cancel(claim.executionId), true);
    assert.equal(await takenWithin(store, 300), []);
    await endsOnce(store, claim.executionId);
  });

  test("a store that is disposed of keeps nothing waiting", async () => {
    const other = await driver.open("other");
    const request = requestOf();
    await other.log.request(request);
    const claim = await takeClaim(other, request.executionId);
    await other.work.suspend(claim, { sequence: 1, events: [], delayMs: 3_600_000 });
    await other[Symbol.asyncDispose]();
    // A timer that is left keeps this process alive, and fails the run of this file.
    if (driver.isShared) assert.is(await store.log.cancel(claim.executionId), true);
  });

  test.run();
}

function waiting(node: string, delayMs: number): LogEvent {
  return { type: "node.waiting", time: Date.now(), node, data: { until: Date.now() + delayMs } };
}

/** Requests an execution and takes it. */
async function claimed(store: Store, options: Partial<ExecutionRequest> = {}): Promise<Claim> {
  const request = requestOf(options);
  await store.log.request(request);
  return await takeClaim(store, request.executionId);
}
