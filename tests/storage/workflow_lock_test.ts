// timeout: 240
/**
 * The contract of a workflow's lock: of one value, one execution at a time, from its start to its end, by arrival.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import type { Claim } from "../../src/execution/claim.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, ending, openEach, placedRequestOf, takeClaim, takeClaims, takenWithin } from "./drivers.ts";
import { endsOnce, hasRetryAfter, refuses } from "./expectations.ts";
import { endAll, fill, requestedFor, statusOf } from "./limited_requests.ts";
import { LockModel, step } from "./workflow_lock_model.ts";

for (const driver of drivers()) {
  const test = suite(`Workflow locks on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { queueLimit: 30 });

  test("of one value one runs at a time, by arrival, and values know nothing of each other", async () => {
    const [a1, a2, a3, b1, b2] = await requestedFor(store, ["a", "a", "a", "b", "b"]);
    const first = await takeClaims(store, [a1!, b1!]);
    assert.equal(await takenWithin(store, 50), []);
    assert.equal([await statusOf(store, a2!), (await store.log.read(a2!)).length], ["pending", 1]);
    await finish(store, first[1]!);
    await finish(store, await takeClaim(store, b2!));
    assert.equal(await takenWithin(store, 50), []);
    await finish(store, first[0]!);
    await finish(store, await takeClaim(store, a2!));
    await finish(store, await takeClaim(store, a3!));
    for (const id of [a1, a2, a3, b1, b2]) await endsOnce(store, id!);
    // The same value of another workflow is another lock.
    const [mine] = await requestedFor(store, ["a"]);
    const [other] = await requestedFor(store, ["a"], { workflowId: "other" });
    await takeClaims(store, [mine!, other!]);
    await endAll(store, [mine!, other!]);
  });

  test("who has a slot waits for nobody's lock, and who has the lock is the next for a slot", async () => {
    // Two slots. a1 and b1 run; a2 waits for the value, c1 for a slot: it has its lock.
    const [a1, b1, a2, c1, c2] = await requestedFor(store, ["a", "b", "a", "c", "c"], { limit: 2 });
    const [claimA, claimB] = await takeClaims(store, [a1!, b1!]);
    assert.equal(await takenWithin(store, 50), []);
    // The slot of b1 goes to c1: a2 has no lock yet, though it came before.
    await finish(store, claimB!);
    const claimC = await takeClaim(store, c1!);
    assert.equal(await takenWithin(store, 50), []);
    await finish(store, claimA!);
    const again = await takeClaim(store, a2!);
    assert.equal(await takenWithin(store, 50), []);
    await finish(store, claimC);
    await finish(store, await takeClaim(store, c2!));
    await finish(store, again);
    for (const id of [a1, b1, a2, c1, c2]) await endsOnce(store, id!);
  });

  test("reject refuses, and stores nothing, while the value is held or waited for, or no slot is free", async () => {
    const [a1, a2] = await requestedFor(store, ["a", "a"]);
    const onOverlap = "reject" as const;
    const request = placedRequestOf(store, { concurrency: { lock: "a", onOverlap } });
    hasRetryAfter(await refuses(() => store.log.request(request), "concurrency_exceeded"));
    assert.is(await store.log.meta(request.executionId), undefined);
    const [b1] = await requestedFor(store, ["b"], { onOverlap });
    await endAll(store, [a1!, a2!, b1!]);
    assert.equal(await store.log.request(request), { executionId: request.executionId, isNew: true });
    await takeClaim(store, request.executionId);
    await endAll(store, [request.executionId]);
    const ids = await requestedFor(store, ["c"], { limit: 1 });
    const slotless = placedRequestOf(store, { concurrency: { lock: "d", limit: 1, onOverlap } });
    await refuses(() => store.log.request(slotless), "concurrency_exceeded");
    await endAll(store, ids);
    // It has left nothing behind that would keep the value.
    const [free] = await requestedFor(store, ["d"], { limit: 1, onOverlap });
    await takeClaim(store, free!);
    await endAll(store, [free!]);
  });

  test("cancelPrevious ends those of the same value only, and of the others no more than slots take", async () => {
    const [a1, b1, c1, a2] = await requestedFor(store, ["a", "b", "c", "a"], { limit: 3 });
    await takeClaims(store, [a1!, b1!, c1!]);
    const [newest] = await requestedFor(store, ["a"], { limit: 3, onOverlap: "cancelPrevious" });
    await takeClaim(store, newest!);
    for (const id of [a1!, a2!]) {
      await eventually(async () => await statusOf(store, id) === "cancelled", `the end of ${id}`);
      assert.match(JSON.stringify((await endsOnce(store, id)).at(-1)!.data), /newer execution/);
    }
    assert.equal([await statusOf(store, b1!), await statusOf(store, c1!)], ["pending", "pending"]);
    // All slots are taken, and the value is free: the oldest gives way.
    const [d1] = await requestedFor(store, ["d"], { limit: 3, onOverlap: "cancelPrevious" });
    await takeClaim(store, d1!);
    await eventually(async () => await statusOf(store, b1!) === "cancelled", "the end of the oldest");
    assert.equal([await statusOf(store, c1!), await statusOf(store, newest!)], ["pending", "pending"]);
    await endAll(store, [c1!, newest!, d1!]);
  });

  test("cancel() of who runs, who waits for the value, or has it and waits for a slot, lets the next one in", async () => {
    const [b1, a1, a2, a3, a4] = await requestedFor(store, ["b", "a", "a", "a", "a"], { limit: 1 });
    await takeClaim(store, b1!);
    await store.log.cancel(a2!);
    await store.log.cancel(a1!);
    assert.equal(await takenWithin(store, 50), []);
    await store.log.cancel(b1!);
    await takeClaim(store, a3!);
    await store.log.cancel(a3!);
    await finish(store, await takeClaim(store, a4!));
    for (const id of [b1, a1, a2, a3, a4]) await endsOnce(store, id!);
  });

  test("who is suspended, paused or requeued keeps the value", async () => {
    const [a1, a2, a3] = await requestedFor(store, ["a", "a", "a"]);
    await store.work.suspend(await takeClaim(store, a1!), { sequence: 1, events: [], delayMs: 50 });
    await store.work.requeue(await takeClaim(store, a1!));
    const again = await takeClaim(store, a1!);
    await store.log.pause(a1!);
    await store.work.suspend(again, { sequence: 1, events: [], delayMs: 0, forPause: true });
    assert.equal(await takenWithin(store, 100), []);
    await store.log.resume(a1!);
    await finish(store, await takeClaim(store, a1!));
    // One that was paused while it waited keeps its place, and waits on.
    await takeClaim(store, a2!);
    assert.is(await store.log.pause(a3!), "done");
    await store.log.cancel(a2!);
    assert.equal(await takenWithin(store, 50), []);
    await store.log.resume(a3!);
    await finish(store, await takeClaim(store, a3!));
    for (const id of [a1, a2, a3]) await endsOnce(store, id!);
  });

  test("a dead letter gives the value up", async () => {
    await using mortal = await driver.open("mortal", { maxDeliveries: 1, leaseSeconds: 0.3, queueLimit: 30 });
    const [a1, a2] = await requestedFor(mortal, ["a", "a"]);
    mortal.work.release(await takeClaim(mortal, a1!));
    await takeClaim(mortal, a2!);
    assert.is(await statusOf(mortal, a1!), "failed");
    await endAll(mortal, [a1!, a2!]);
  });

  test("what other programs run is handed out one at a time of each value", async () => {
    const ids: string[] = [];
    for (const lock of ["a", "a", "b"]) {
      const request = placedRequestOf(store, { concurrency: { lock, onOverlap: "queue" }, external: "taken" });
      await store.log.request(request);
      ids.push(request.executionId);
    }
    const take = async () => {
      const claims = await store.external.take({ workflowIds: ["orders"], count: 10, leaseMs: 600_000 });
      return claims.map(({ executionId }) => executionId).sort();
    };
    assert.equal(await take(), [ids[0], ids[2]]);
    assert.equal(await take(), []);
    await store.log.cancel(ids[0]!);
    assert.equal(await take(), [ids[1]]);
    await endAll(store, ids);
  });

  test("what its requester runs and reports begins once the value is free", async () => {
    const [first, second] = [1, 2].map(() =>
      placedRequestOf(store, { concurrency: { lock: "a", onOverlap: "queue" }, external: "reported" })
    );
    await store.log.request(first!);
    await store.log.request(second!);
    const begin = ({ executionId }: { executionId: string }) =>
      store.external.report({
        executionId,
        events: [{ type: "execution.started", time: Date.now(), data: { epoch: 1, worker: "other" } }],
      });
    assert.equal([await begin(second!), await begin(first!)], ["order", "done"]);
    await store.log.cancel(first!.executionId);
    assert.is(await begin(second!), "done");
    await endAll(store, [first!.executionId, second!.executionId]);
  });

  test("who waits is handed out at its deadline, and those behind it come in their turn", async () => {
    const [a1] = await requestedFor(store, ["a"]);
    await takeClaim(store, a1!);
    const [late] = await requestedFor(store, ["a"], {}, 300);
    const [behind] = await requestedFor(store, ["a"]);
    await finish(store, await takeClaim(store, late!));
    assert.equal([await statusOf(store, a1!), await takenWithin(store, 50)], ["pending", []]);
    await store.log.cancel(a1!);
    await finish(store, await takeClaim(store, behind!));
    for (const id of [a1, late, behind]) await endsOnce(store, id!);
  });

  test("a request that is sent twice, or claimed where it is accepted, takes the value once", async () => {
    const concurrency = { lock: "a", onOverlap: "queue" as const };
    const [first, second] = [placedRequestOf(store, { concurrency }), placedRequestOf(store, { concurrency })];
    const { claim } = await store.shortWay.start(first!);
    assert.is(claim?.way, "local");
    for (let n = 0; n < 2; n++) assert.is((await store.shortWay.start(second!)).claim, undefined);
    await finish(store, claim!);
    await finish(store, await takeClaim(store, second!.executionId));
    assert.equal(await takenWithin(store, 50), []);
    for (const { executionId } of [first!, second!]) await endsOnce(store, executionId);
  });

  test("no more wait for locks of a workflow than may be queued, and values that are free are let in all the same", async () => {
    const ids = await requestedFor(store, ["a"]);
    await takeClaim(store, ids[0]!);
    await fill(store, ids);
    await refuses(() => requestedFor(store, ["a"]), "queue_full");
    if (driver.isShared) ids.push(...await requestedFor(store, ["b"]));
    await endAll(store, ids);
  });

  test("whatever comes, runs and ends in between: as a model says, and all of it ends", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 16 }), fc.constantFrom(undefined, 1, 2), async (steps, limit) => {
        const model = new LockModel(limit);
        // What a run that failed has left takes nothing of the next one.
        const options = { workflowId: `model-${++models}`, ...(limit !== undefined && { limit }) };
        const running = new Map<string, Claim>();
        for (const [what, nth] of steps) {
          const [victim] = [...model.alive.keys()].slice(nth % Math.max(1, model.alive.size));
          if (what !== "end" && what !== "cancel") {
            const [id] = await requestedFor(store, [what], options);
            model.request(id!, what);
          } else if (victim !== undefined) {
            const claim = running.get(victim);
            if (what === "end" && claim !== undefined) await finish(store, claim);
            else await store.log.cancel(victim);
            running.delete(victim);
            model.end(victim);
          }
          for (const claim of await takeClaims(store, model.admitted())) running.set(claim.executionId, claim);
        }
        assert.equal(await takenWithin(store, 5), []);
        while (model.alive.size > 0) {
          const [[id, claim] = []] = running;
          await finish(store, claim!);
          running.delete(id!);
          model.end(id!);
          for (const next of await takeClaims(store, model.admitted())) running.set(next.executionId, next);
        }
        for (const id of model.all) await endsOnce(store, id);
      }),
      { numRuns: driver.isShared ? 6 : 60, endOnFailure: true },
    ));

  test.run();
}

/** How many runs there were of the property. */
let models = 0;

async function finish(store: Store, claim: Claim): Promise<void> {
  await store.work.finish(claim, ending(claim));
}
