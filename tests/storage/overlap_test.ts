/**
 * The contract of `onOverlap`: what becomes of a request while all slots of its workflow are taken.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, ending, openEach, placedRequestOf, takeClaim, takeClaims, takenWithin } from "./drivers.ts";
import { endsOnce, hasRetryAfter, refuses } from "./expectations.ts";
import { endAll, requested, statusOf } from "./limited_requests.ts";

for (const driver of drivers()) {
  const test = suite(`Overlap on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { queueLimit: 30 });

  test("request() with reject refuses, and stores nothing, until a slot is free", async () => {
    const [first] = await requested(store, { count: 1, limit: 1, onOverlap: "reject" });
    const request = placedRequestOf(store, { concurrency: { limit: 1, onOverlap: "reject" } });
    hasRetryAfter(await refuses(() => store.log.request(request), "concurrency_exceeded"));
    assert.is(await store.log.meta(request.executionId), undefined);
    assert.equal(await store.log.read(request.executionId), []);
    const claim = await takeClaim(store, first!);
    hasRetryAfter(await refuses(() => store.log.request(request), "concurrency_exceeded"));
    await store.work.finish(claim, ending(claim));
    assert.equal(await store.log.request(request), { executionId: request.executionId, isNew: true });
    await takeClaim(store, request.executionId);
    assert.equal(await store.log.request(request), { executionId: request.executionId, isNew: true });
    await endAll(store, [request.executionId]);
  });

  test("request() with reject refuses while others wait, though a slot would be free by its own limit", async () => {
    const ids = await requested(store, { count: 2, limit: 1 });
    const request = placedRequestOf(store, { concurrency: { limit: 2, onOverlap: "reject" } });
    await refuses(() => store.log.request(request), "concurrency_exceeded");
    await endAll(store, ids);
  });

  test("request() with cancelPrevious ends who runs and who waits, and comes next", async () => {
    const lost: string[] = [];
    store.work.onControl((id, signal) => lost.push(`${id} ${signal}`));
    const [running, ...waiting] = await requested(store, { count: 3, limit: 1 });
    await takeClaim(store, running!);
    const [newest] = await requested(store, { count: 1, limit: 1, onOverlap: "cancelPrevious" });
    const claim = await takeClaim(store, newest!);
    for (const id of [running!, ...waiting]) {
      await eventually(async () => await statusOf(store, id) === "cancelled", `the end of ${id}`);
      const last = (await endsOnce(store, id)).at(-1)!;
      assert.match(JSON.stringify(last.data), /newer execution/);
    }
    await eventually(() => Promise.resolve(lost.includes(`${running} lost`)), "the signal to the worker");
    assert.equal(await takenWithin(store, 50), []);
    await store.work.finish(claim, ending(claim));
    await endsOnce(store, newest!);
  });

  test("request() with cancelPrevious ends the oldest only, as many as stand in the way", async () => {
    const ids = await requested(store, { count: 3, limit: 3 });
    await takeClaims(store, ids);
    const [newest] = await requested(store, { count: 1, limit: 2, onOverlap: "cancelPrevious" });
    await takeClaim(store, newest!);
    const statuses = async () => await Promise.all(ids.map((id) => statusOf(store, id)));
    await eventually(async () => (await statuses())[1] === "cancelled", "the end of the second");
    assert.equal(await statuses(), ["cancelled", "cancelled", "pending"]);
    await endAll(store, [...ids, newest!]);
  });

  test("request() with cancelPrevious ends nobody while a slot is free", async () => {
    const ids = await requested(store, { count: 2, limit: 2, onOverlap: "cancelPrevious" });
    await takeClaims(store, ids);
    assert.equal(await Promise.all(ids.map((id) => statusOf(store, id))), ["pending", "pending"]);
    await endAll(store, ids);
  });

  test.run();
}
