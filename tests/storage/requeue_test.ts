/**
 * The contract of handing a claim back, as a worker does that stops, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FencedError } from "../../src/lib/errors.ts";
import type { Store } from "../../src/storage/store.ts";
import { completed, drivers, ending, placedRequestOf, requestOf, takeClaim, takenWithin } from "./drivers.ts";
import { endsOnce, rejects } from "./expectations.ts";

for (const driver of drivers()) {
  const test = suite(`Handing back on ${driver.name}`);
  let store: Store;

  test.before(async () => {
    store = await driver.open("a", { maxDeliveries: 2 });
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("requeue() hands the execution to the next who takes, under a higher epoch", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.append(claim, { sequence: 1, events: [completed("a", 1), completed("b", 2)] });
    await store.work.requeue(claim);
    const next = await takeClaim(store, request.executionId);
    assert.ok(next.epoch > claim.epoch);
    assert.equal([next.sequence, next.input, next.paused], [3, undefined, false]);
    await rejects(() => store.work.append(claim, { sequence: 3, events: [completed("c", 3)] }), FencedError);
    await store.work.finish(next, ending(next));
    await endsOnce(store, request.executionId);
  });

  test("requeue() fences the claim before anyone takes it again", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.requeue(claim);
    await rejects(() => store.work.finish(claim, ending(claim)), FencedError);
    const next = await takeClaim(store, request.executionId);
    await store.work.finish(next, ending(next));
  });

  test("requeue() twice, or after the end, changes nothing", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.requeue(claim);
    await store.work.requeue(claim);
    const next = await takeClaim(store, request.executionId);
    await store.work.requeue(claim);
    assert.equal(await takenWithin(store, 100), []);
    await store.work.finish(next, ending(next));
    await store.work.requeue(next);
    assert.equal(await takenWithin(store, 100), []);
    await endsOnce(store, request.executionId);
  });

  test("requeue() is not a delivery that failed", async () => {
    const request = requestOf();
    await store.log.request(request);
    for (let n = 0; n < 4; n++) await store.work.requeue(await takeClaim(store, request.executionId));
    const claim = await takeClaim(store, request.executionId);
    await store.work.finish(claim, ending(claim));
    await endsOnce(store, request.executionId);
    assert.equal(await store.deadLetters.list({ limit: 10 }), { deadLetters: [] });
  });

  test("requeue() keeps the slot", async () => {
    const concurrency = { limit: 1, onOverlap: "queue" as const };
    const first = placedRequestOf(store, { workflowId: "limited", concurrency });
    const second = placedRequestOf(store, { workflowId: "limited", concurrency });
    await store.log.request(first);
    await store.log.request(second);
    await store.work.requeue(await takeClaim(store, first.executionId));
    assert.equal(await takenWithin(store, 100), [first.executionId]);
    for (const { executionId } of [first, second]) await store.log.cancel(executionId);
  });

  test("requeue() of a paused execution leaves it to resume()", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.log.pause(request.executionId);
    await store.work.requeue(claim);
    await store.log.resume(request.executionId);
    const next = await takeClaim(store, request.executionId);
    assert.is(next.paused, false);
    await store.work.finish(next, ending(next));
    await endsOnce(store, request.executionId);
  });

  test("requeue() of a paused execution lets no node start", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.log.pause(request.executionId);
    await store.work.requeue(claim);
    const { signal } = new AbortController();
    for (const next of await store.work.take({ count: 10, blockMs: 100, signal })) assert.is(next.paused, true);
    assert.is(await store.log.cancel(request.executionId), true);
    await endsOnce(store, request.executionId);
  });

  test.run();
}
