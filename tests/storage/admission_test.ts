/**
 * The contract of admission: slots of workflows that limit their executions, and the bound of the whole queue.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isExecutionId } from "../../src/lib/uuidv7.ts";
import type { Store } from "../../src/storage/store.ts";
import {
  drivers,
  ending,
  openEach,
  placedRequestOf,
  requestOf,
  takeClaim,
  takeClaims,
  takenWithin,
} from "./drivers.ts";
import { endsOnce, hasRetryAfter, refuses } from "./expectations.ts";
import { endAll, requested, statusOf } from "./limited_requests.ts";

for (const driver of drivers()) {
  const test = suite(`Admission on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { queueLimit: 30 });

  test("request() lets as many run as the limit says, and admits the others in their order", async () => {
    const ids = await requested(store, { count: 5, limit: 2 });
    const running = await takeClaims(store, ids.slice(0, 2));
    assert.equal(await takenWithin(store, 100), []);
    for (const id of ids.slice(2)) {
      assert.equal([await statusOf(store, id), (await store.log.read(id)).length], ["pending", 1]);
      const claim = running.shift()!;
      await store.work.finish(claim, ending(claim));
      const next = await takeClaim(store, id);
      assert.is(next.sequence, 1);
      running.push(next);
      assert.equal(await takenWithin(store, 50), []);
    }
    for (const claim of running) await store.work.finish(claim, ending(claim));
    for (const id of ids) await endsOnce(store, id);
  });

  test("request() sent twice takes one place", async () => {
    const [first] = await requested(store, { count: 1, limit: 1 });
    const second = placedRequestOf(store, { concurrency: { limit: 1, onOverlap: "queue" } });
    for (let n = 0; n < 3; n++) await store.log.request(second);
    assert.is((await store.log.read(second.executionId)).length, 1);
    await store.log.cancel(first!);
    const claim = await takeClaim(store, second.executionId);
    await store.work.finish(claim, ending(claim));
    assert.equal(await takenWithin(store, 100), []);
    assert.equal((await requested(store, { count: 1, limit: 1 })).length, 1);
  });

  test("workflows have slots of their own, and one without a limit has all it wants", async () => {
    const a = await requested(store, { count: 1, limit: 1, workflowId: "a" });
    const b = await requested(store, { count: 1, limit: 1, workflowId: "b" });
    const free = [requestOf({ workflowId: "a" }), requestOf({ workflowId: "a" })];
    for (const request of free) await store.log.request(request);
    const ids = [...a, ...b, ...free.map(({ executionId }) => executionId)];
    const claims = await takeClaims(store, ids);
    assert.is(claims.length, 4);
    await endAll(store, ids);
  });

  test("cancel() frees the slot of who runs, and the place of who waits", async () => {
    const ids = await requested(store, { count: 4, limit: 1 });
    await takeClaim(store, ids[0]!);
    await store.log.cancel(ids[1]!);
    assert.equal(await takenWithin(store, 50), []);
    await store.log.cancel(ids[0]!);
    await takeClaim(store, ids[2]!);
    await store.log.cancel(ids[2]!);
    await takeClaim(store, ids[3]!);
    await endAll(store, ids);
  });

  test("cancel() frees the slot of who was admitted and not yet taken", async () => {
    const ids = await requested(store, { count: 2, limit: 1 });
    await store.log.cancel(ids[0]!);
    await takeClaim(store, ids[1]!);
    await endAll(store, ids);
  });

  test("a dead letter frees its slot", async () => {
    await using mortal = await driver.open("mortal", { maxDeliveries: 1, leaseSeconds: 0.3, queueLimit: 30 });
    const concurrency = { limit: 1, onOverlap: "queue" as const };
    const [first, second] = [placedRequestOf(mortal, { concurrency }), placedRequestOf(mortal, { concurrency })];
    await mortal.log.request(first!);
    await mortal.log.request(second!);
    mortal.work.release(await takeClaim(mortal, first!.executionId));
    const claim = await takeClaim(mortal, second!.executionId);
    assert.is((await mortal.log.meta(first!.executionId))?.status, "failed");
    await mortal.work.finish(claim, ending(claim));
    for (const { executionId } of [first!, second!]) await endsOnce(mortal, executionId);
  });

  test("suspend() and pause() hold the slot", async () => {
    const ids = await requested(store, { count: 2, limit: 1 });
    const claim = await takeClaim(store, ids[0]!);
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 50 });
    const again = await takeClaim(store, ids[0]!);
    await store.log.pause(ids[0]!);
    await store.work.suspend(again, { sequence: 1, events: [], delayMs: 0, forPause: true });
    assert.equal(await takenWithin(store, 100), []);
    assert.is(await statusOf(store, ids[1]!), "pending");
    await store.log.resume(ids[0]!);
    const last = await takeClaim(store, ids[0]!);
    await store.work.finish(last, ending(last));
    await takeClaim(store, ids[1]!);
    await endAll(store, ids.slice(1));
  });

  test("who waits is admitted by its own limit, not by that of who runs", async () => {
    const narrow = await requested(store, { count: 2, limit: 1 });
    const wide = await requested(store, { count: 2, limit: 3, version: 2 });
    const claim = await takeClaim(store, narrow[0]!);
    assert.equal(await takenWithin(store, 50), []);
    await store.work.finish(claim, ending(claim));
    await takeClaims(store, [narrow[1]!, ...wide]);
    await endAll(store, [...narrow, ...wide]);
  });

  test("who waits is handed out at its deadline, without a slot, and lets those behind it go on", async () => {
    const [running] = await requested(store, { count: 1, limit: 1 });
    await takeClaim(store, running!);
    const [late] = await requested(store, { count: 1, limit: 1, timeoutMs: 300 });
    const [behind] = await requested(store, { count: 1, limit: 2 });
    const claims = await takeClaims(store, [late!, behind!]);
    assert.is(claims[0]!.sequence, 1);
    await store.work.finish(claims[0]!, ending(claims[0]!));
    assert.is(await statusOf(store, running!), "pending");
    await endAll(store, [running!, behind!]);
    await endsOnce(store, late!);
  });

  test("pause() of who waits keeps its place; once admitted it waits for resume()", async () => {
    const ids = await requested(store, { count: 3, limit: 1 });
    await takeClaim(store, ids[0]!);
    assert.is(await store.log.pause(ids[1]!), "done");
    assert.is(await statusOf(store, ids[1]!), "paused");
    await store.log.cancel(ids[0]!);
    assert.equal(await takenWithin(store, 100), []);
    assert.is(await store.log.resume(ids[1]!), "done");
    const claim = await takeClaim(store, ids[1]!);
    assert.equal([claim.paused, claim.sequence], [false, 1]);
    assert.equal([await store.log.pause(ids[2]!), await store.log.resume(ids[2]!)], ["done", "done"]);
    assert.equal(await takenWithin(store, 50), []);
    await store.work.finish(claim, ending(claim));
    await takeClaim(store, ids[2]!);
    await endAll(store, ids);
  });

  test("request() refuses when the queue is full, until something ends", async () => {
    const partitions = driver.name.includes("partitions") ? 3 : 1;
    const accepted: string[] = [];
    const request = async () => {
      const { executionId } = await store.log.request(requestOf());
      accepted.push(executionId);
    };
    const fill = async () => {
      while (accepted.length <= 30 * partitions) await request();
    };
    hasRetryAfter(await refuses(fill, "queue_full"));
    if (partitions === 1) assert.is(accepted.length, 30);
    const known = { executionId: accepted[0]!, isNew: true };
    assert.equal(await store.log.request(requestOf({ executionId: accepted[0]! })), known);
    const claim = await takeClaim(store, accepted[0]!);
    if (partitions === 1) await refuses(request, "queue_full");
    await store.work.finish(claim, ending(claim));
    await store.log.cancel(accepted[1]!);
    if (partitions === 1) {
      for (let n = 0; n < 2; n++) await request();
      await refuses(request, "queue_full");
    }
    await endAll(store, accepted);
    await request();
    await endAll(store, accepted.slice(-1));
  });

  test("makeId() makes UUIDv7s that grow, whatever they are placed by", () => {
    const ids = Array.from({ length: 200 }, (_, n) => {
      const key = n % 3 === 0 ? { idempotencyKey: `k${n}` } : {};
      return store.log.makeId({ workflowId: `w${n % 5}`, limited: n % 2 === 0, ...key });
    });
    assert.ok(ids.every(isExecutionId));
    assert.is(new Set(ids).size, ids.length);
    const times = ids.map((id) => id.slice(0, 13));
    assert.equal(times, [...times].sort());
  });

  test("makeId() places a workflow's executions where its slots are, with an idempotency key or without", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 12; n++) {
      const key = n % 2 === 0 ? { idempotency: { key: `k${n}`, fingerprint: "f", ttlSeconds: 60 } } : {};
      ids.push(...await requested(store, { count: 1, limit: 1, ...key }));
    }
    for (const id of ids) {
      await takeClaim(store, id);
      assert.equal(await takenWithin(store, 20), []);
      await store.log.cancel(id);
    }
    for (const id of ids) await endsOnce(store, id);
  });

  test.run();
}
