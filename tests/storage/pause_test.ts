/**
 * The contract of pausing: no further node starts, wherever the execution is, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FencedError } from "../../src/lib/errors.ts";
import { foldState } from "../support/fold_state.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { completed, drivers, ending, requestOf, takeClaim, takenWithin } from "./drivers.ts";
import { endsOnce, rejects } from "./expectations.ts";

for (const driver of drivers()) {
  const test = suite(`Pause on ${driver.name}`);
  let store: Store;
  const signals: string[] = [];
  const heard = (executionId: string, signal: string) => Promise.resolve(signals.includes(`${executionId} ${signal}`));

  test.before(async () => {
    store = await driver.open("a");
    store.work.onControl((executionId, signal) => signals.push(`${executionId} ${signal}`));
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("pause() keeps an execution that nobody took from being handed out, until resume()", async () => {
    const id = await requested(store);
    assert.is(await store.log.pause(id), "done");
    assert.is(await store.log.pause(id), "unchanged");
    assert.equal(await statusOf(store, id), ["paused", "paused"]);
    assert.equal(await takenWithin(store, 150), []);
    assert.is(await store.log.resume(id), "done");
    assert.is(await store.log.resume(id), "unchanged");
    assert.equal(await statusOf(store, id), ["running", "running"]);
    const claim = await takeClaim(store, id);
    assert.equal([claim.paused, claim.sequence], [false, 1]);
    await finish(store, claim, ["execution.paused", "execution.resumed"]);
  });

  test("pause() reaches the worker by signal and by its next append, and what it appends changes no status", async () => {
    const claim = await takeClaim(store, await requested(store));
    assert.is(await store.log.pause(claim.executionId), "done");
    await eventually(() => heard(claim.executionId, "paused"), "the signal");
    assert.equal(await store.work.append(claim, { sequence: 1, events: [completed("a", 1)] }), { paused: true });
    assert.equal(await statusOf(store, claim.executionId), ["paused", "paused"]);
    const options = { sequence: 2, events: [completed("b", 2)], delayMs: 0, forPause: true };
    assert.is(await store.work.suspend(claim, options), "suspended");
    assert.is(await store.work.suspend(claim, options), "suspended");
    assert.equal(await takenWithin(store, 150), []);
    await rejects(() => store.work.append(claim, { sequence: 3, events: [completed("c", 3)] }), FencedError);
    assert.is(await store.log.resume(claim.executionId), "done");
    const next = await takeClaim(store, claim.executionId);
    assert.ok(next.epoch > claim.epoch);
    assert.equal([next.sequence, next.paused, next.input], [3, false, undefined]);
    await finish(store, next, ["execution.paused", "node.completed", "node.completed", "execution.resumed"]);
  });

  test("suspend() for a pause that is over answers resumed, appends nothing, and leaves the claim", async () => {
    const claim = await takeClaim(store, await requested(store));
    await store.log.pause(claim.executionId);
    await store.log.resume(claim.executionId);
    await eventually(() => heard(claim.executionId, "resumed"), "the signal");
    const options = { sequence: 1, events: [completed("a", 1)], delayMs: 0, forPause: true };
    assert.is(await store.work.suspend(claim, options), "resumed");
    assert.is((await store.log.read(claim.executionId)).length, 3);
    assert.equal(await store.work.append(claim, { sequence: 1, events: [completed("a", 1)] }), { paused: false });
    await finish(store, { ...claim, sequence: 2 }, ["execution.paused", "execution.resumed", "node.completed"]);
  });

  test("suspend() for a pause is fenced like an append", async () => {
    const claim = await takeClaim(store, await requested(store));
    await store.log.pause(claim.executionId);
    await rejects(
      () => store.work.suspend(claim, { sequence: 3, events: [], delayMs: 0, forPause: true }),
      FencedError,
    );
    assert.is(await store.log.cancel(claim.executionId), true);
    await rejects(
      () => store.work.suspend(claim, { sequence: 1, events: [], delayMs: 0, forPause: true }),
      FencedError,
    );
    await endsOnce(store, claim.executionId);
  });

  test("pause() and resume() do not count for the sequence, nor for an append that is sent twice", async () => {
    const claim = await takeClaim(store, await requested(store));
    const options = { sequence: 1, events: [completed("a", 1)] };
    assert.equal(await store.work.append(claim, options), { paused: false });
    await store.log.pause(claim.executionId);
    assert.equal(await store.work.append(claim, options), { paused: true });
    await store.log.resume(claim.executionId);
    assert.equal(await store.work.append(claim, { sequence: 2, events: [completed("b", 2)] }), { paused: false });
    const types = ["node.completed", "execution.paused", "execution.resumed", "node.completed"];
    await finish(store, { ...claim, sequence: 3 }, types);
  });

  test("a paused execution is not handed out when its timer is due, but when it is resumed", async () => {
    const claim = await takeClaim(store, await requested(store));
    await store.work.suspend(claim, { sequence: 1, events: [completed("a", 1)], delayMs: 50 });
    assert.is(await store.log.pause(claim.executionId), "done");
    assert.equal(await takenWithin(store, 250), []);
    assert.is(await store.log.resume(claim.executionId), "done");
    const next = await takeClaim(store, claim.executionId);
    assert.equal([next.sequence, next.paused], [2, false]);
    await finish(store, next, ["node.completed", "execution.paused", "execution.resumed"]);
  });

  test("resume() hands a suspended execution out though its timer is not due, and only once", async () => {
    const claim = await takeClaim(store, await requested(store));
    await store.log.pause(claim.executionId);
    await store.work.suspend(claim, { sequence: 1, events: [completed("a", 1)], delayMs: 200 });
    await store.log.resume(claim.executionId);
    const next = await takeClaim(store, claim.executionId);
    assert.equal(await takenWithin(store, 350), []);
    await finish(store, next, ["execution.paused", "node.completed", "execution.resumed"]);
  });

  test("a pause and a resume of a suspended execution leave it to be handed out", async () => {
    const claim = await takeClaim(store, await requested(store));
    await store.work.suspend(claim, { sequence: 1, events: [completed("a", 1)], delayMs: 60_000 });
    await store.log.pause(claim.executionId);
    await store.log.resume(claim.executionId);
    const next = await takeClaim(store, claim.executionId);
    assert.ok(next.epoch > claim.epoch);
    await finish(store, next, ["node.completed", "execution.paused", "execution.resumed"]);
  });

  test("a paused execution is handed out at its deadline, to be ended", async () => {
    const undelivered = await requested(store, { timeoutMs: 300 });
    await store.log.pause(undelivered);
    const claim = await takeClaim(store, undelivered);
    assert.is(claim.paused, true);
    await finish(store, claim, ["execution.paused"]);

    const delivered = await takeClaim(store, await requested(store, { timeoutMs: 300 }));
    await store.log.pause(delivered.executionId);
    await store.work.suspend(delivered, { sequence: 1, events: [], delayMs: 0, forPause: true });
    const next = await takeClaim(store, delivered.executionId);
    assert.is(next.paused, true);
    await finish(store, next, ["execution.paused"]);
  });

  test("finish() ends an execution that is paused meanwhile", async () => {
    const claim = await takeClaim(store, await requested(store));
    await store.log.pause(claim.executionId);
    await finish(store, claim, ["execution.paused"]);
    assert.equal(await statusOf(store, claim.executionId), ["completed", "completed"]);
  });

  test("cancel() ends a paused execution, and resume() does not bring it back", async () => {
    const id = await requested(store);
    await store.log.pause(id);
    assert.is(await store.log.cancel(id), true);
    assert.equal([await store.log.pause(id), await store.log.resume(id)], ["ended", "ended"]);
    assert.equal(await takenWithin(store, 100), []);
    await endsOnce(store, id);
  });

  test("pause() and resume() of an execution that nobody knows", async () => {
    const { executionId } = requestOf();
    assert.equal([await store.log.pause(executionId), await store.log.resume(executionId)], ["unknown", "unknown"]);
    assert.equal(await store.log.read(executionId), []);
  });

  test("resume() of an execution that is not paused changes nothing", async () => {
    const id = await requested(store);
    assert.is(await store.log.resume(id), "unchanged");
    await finish(store, await takeClaim(store, id), []);
  });

  test.run();
}

async function requested(store: Store, options: Partial<ExecutionRequest> = {}): Promise<string> {
  const request = requestOf(options);
  await store.log.request(request);
  return request.executionId;
}

/** Ends the execution, and looks at the whole log. */
async function finish(store: Store, claim: Claim, types: string[]): Promise<void> {
  await store.work.finish(claim, ending(claim));
  const events = await endsOnce(store, claim.executionId);
  assert.equal(events.map(({ type }) => type), ["execution.requested", ...types, "execution.completed"]);
}

/** By the store and by folding the log. */
async function statusOf(store: Store, executionId: string): Promise<string[]> {
  const folded = foldState(executionId, await store.log.read(executionId));
  return [(await store.log.meta(executionId))!.status, folded.status];
}
