// timeout: 180
/**
 * The contract of the short way, over every driver: what an instance claims in the step that requests it, and what it
 * writes after it has run.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FencedError } from "../../src/lib/errors.ts";
import type { Store } from "../../src/storage/store.ts";
import { Keys } from "../../src/storage/redis/keys.ts";
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import { eventually } from "../support/eventually.ts";
import {
  awaitReply,
  completed,
  drivers,
  ending,
  placedRequestOf,
  requestOf,
  takeClaim,
  takenWithin,
} from "./drivers.ts";
import { refuses, rejects } from "./expectations.ts";
import { shortWayRig } from "./short_way_rig.ts";

const { signal } = new AbortController();

for (const driver of drivers()) {
  const test = suite(`Short way on ${driver.name}`);
  let store: Store;
  const { open, started, runOf, metaOf } = shortWayRig(test, driver, (opened) => store = opened);

  const takenUntil = async (through: Store, check: () => Promise<boolean>): Promise<void> => {
    await eventually(async () => {
      await through.work.take({ count: 10, blockMs: 50, signal });
      return await check();
    }, "it has ended");
  };

  test("start() claims the execution in the step that requests it, and nobody else gets it", async () => {
    const request = requestOf({ replyTo: store.replies.instance, input: { n: 1 } });
    const { claim } = await store.shortWay.start(request);
    assert.equal([claim!.epoch, claim!.sequence, claim!.way, claim!.input], [1, 1, "local", { n: 1 }]);
    assert.equal([claim!.replyTo, claim!.replyEarly, claim!.deliveries], [store.replies.instance, false, 0]);
    assert.equal((await store.log.read(request.executionId)).map(({ type }) => type), ["execution.requested"]);
    assert.equal(await takenWithin(store, 100), []);
    await store.work.finish(claim!, ending(claim!));
    assert.is(await metaOf(request.executionId), "completed");
  });

  test("a claim of start() appends, replies early and at the end, to whoever waits here", async () => {
    const request = requestOf({ replyTo: store.replies.instance, replyEarly: true });
    const early = awaitReply(store, request.executionId);
    const { claim } = await store.shortWay.start(request);
    const reply = {
      executionId: request.executionId,
      status: "responded",
      response: { status: 201, headers: {} },
    } as const;
    await store.work.append(claim!, { sequence: 1, events: [completed("answer", 1)], reply });
    assert.equal(await early, reply);
    const late = awaitReply(store, request.executionId);
    await store.work.finish(claim!, ending(claim!, { sequence: 2 }));
    assert.is((await late).output, 7);
    assert.equal((await store.log.result(request.executionId))?.output, 7);
  });

  test("start() sent again gives the same claim, until another has it", async () => {
    const request = requestOf();
    const { claim } = await store.shortWay.start(request);
    const again = await store.shortWay.start(request);
    assert.is(again.isNew, true);
    if (driver.isShared) assert.equal([again.claim?.epoch, again.claim?.sequence], [1, 1]);
    assert.is((await store.log.read(request.executionId)).length, 1);
    await store.work.requeue(claim!);
    assert.is((await store.shortWay.start(request)).claim, undefined);
    const next = await takeClaim(store, request.executionId);
    assert.equal([next.epoch, next.way, next.deliveries], [2, "queue", 0]);
    await store.work.finish(next, ending(next));
    await rejects(
      async () => await store.work.append(claim!, { sequence: 1, events: [completed("sum", 1)] }),
      FencedError,
    );
  });

  test("what was started is suspended, woken, paused, resumed and cancelled as anything else", async () => {
    const parked = await started();
    assert.is(await store.work.suspend(parked, { sequence: 1, events: [], delayMs: 50 }), "suspended");
    const woken = await takeClaim(store, parked.executionId);
    assert.equal([woken.epoch, woken.deliveries], [2, 0]);
    await store.work.finish(woken, ending(woken));

    const heard: string[] = [];
    store.work.onControl((id, message) => heard.push(`${id} ${message}`));
    const paused = await started();
    assert.is(await store.log.pause(paused.executionId), "done");
    await eventually(() => Promise.resolve(heard.includes(`${paused.executionId} paused`)), "it hears of the pause");
    assert.is(
      await store.work.suspend(paused, { sequence: 1, events: [], delayMs: 60_000, forPause: true }),
      "suspended",
    );
    assert.equal(await takenWithin(store, 100), []);
    assert.is(await store.log.resume(paused.executionId), "done");
    const resumed = await takeClaim(store, paused.executionId);
    await store.work.finish(resumed, ending(resumed));

    const cancelled = await started();
    const reply = awaitReply(store, cancelled.executionId);
    assert.is(await store.log.cancel(cancelled.executionId), true);
    assert.is((await reply).status, "cancelled");
    await eventually(() => Promise.resolve(heard.includes(`${cancelled.executionId} lost`)), "it hears of the cancel");
    assert.equal(await takenWithin(store, 100), []);
  });

  test("start() and record() find the execution that a key made, and record nothing more", async () => {
    const idempotency = { key: "k", fingerprint: "f", ttlSeconds: 60 };
    const first = placedRequestOf(store, { idempotency });
    assert.is((await store.shortWay.record(first, runOf(first))).isNew, true);
    const earlier = { executionId: first.executionId, isNew: false };
    for (const take of ["start", "record", "request"] as const) {
      const again = placedRequestOf(store, { idempotency });
      const accepted = take === "record"
        ? await store.shortWay.record(again, runOf(again))
        : take === "start"
        ? await store.shortWay.start(again)
        : await store.log.request(again);
      assert.equal(accepted, earlier);
      assert.is(await metaOf(again.executionId), undefined);
      const other = placedRequestOf(store, { idempotency: { ...idempotency, fingerprint: "g" } });
      await refuses(
        async () =>
          take === "record" ? await store.shortWay.record(other, runOf(other)) : await store.shortWay.start(other),
        "idempotency_key_reused",
      );
    }
    const claim = await started({ idempotency: { ...idempotency, key: "l" } });
    const again = placedRequestOf(store, { idempotency: { ...idempotency, key: "l" } });
    assert.equal(await store.shortWay.record(again, runOf(again)), { executionId: claim.executionId, isNew: false });
    await store.work.finish(claim, ending(claim));
  });

  test("start() takes a slot, and waits for one on the work queue", async () => {
    const concurrency = { limit: 1, onOverlap: "queue" } as const;
    const first = await started({ concurrency });
    const second = placedRequestOf(store, { concurrency });
    assert.is((await store.shortWay.start(second)).claim, undefined);
    assert.equal(await takenWithin(store, 50), []);
    await store.work.finish(first, ending(first));
    const admitted = await takeClaim(store, second.executionId);
    await store.work.finish(admitted, ending(admitted));
    const third = await started({ concurrency });
    await refuses(
      async () =>
        await store.shortWay.start(placedRequestOf(store, { concurrency: { limit: 1, onOverlap: "reject" } })),
      "concurrency_exceeded",
    );
    const newest = await store.shortWay.start(
      placedRequestOf(store, { concurrency: { limit: 1, onOverlap: "cancelPrevious" } }),
    );
    assert.is(await metaOf(third.executionId), "cancelled");
    const claim = newest.claim ?? await takeClaim(store, newest.executionId);
    await store.work.finish(claim, ending(claim));
  });

  test("what runs without a work entry counts for the queue limit", async () => {
    const narrow = await open({ queueLimit: 1 });
    const claim = await started({}, narrow);
    // Each partition has a limit of its own.
    if (driver.name.includes("partitions")) return await narrow.work.finish(claim, ending(claim));
    await refuses(async () => await narrow.log.request(requestOf()), "queue_full");
    await refuses(async () => await narrow.shortWay.start(requestOf()), "queue_full");
    const unwritten = requestOf();
    await refuses(async () => await narrow.shortWay.record(unwritten, runOf(unwritten)), "queue_full");
    assert.is(await metaOf(unwritten.executionId, narrow), undefined);
    await narrow.work.finish(claim, ending(claim));
    await narrow.log.request(requestOf());
  });

  if (driver.isShared) {
    test("a lease that is not renewed lapses: the execution goes on elsewhere, as a delivery that failed", async () => {
      const dying = await open({ leaseSeconds: 1 });
      const claim = await started({}, dying);
      dying.work.release(claim);
      const next = await takeClaim(store, claim.executionId);
      assert.equal([next.epoch, next.deliveries, next.sequence, next.way], [2, 1, 1, "queue"]);
      assert.is(next.replyTo, dying.replies.instance);
      await rejects(
        async () => await dying.work.append(claim, { sequence: 1, events: [completed("sum", 1)] }),
        FencedError,
      );
      await rejects(async () => await dying.work.finish(claim, ending(claim)), FencedError);
      const answered = awaitReply(dying, claim.executionId);
      await store.work.finish(next, ending(next));
      assert.is((await answered).output, 7);
    });

    test("a lease is renewed while the claim is held, and whoever has lost one hears of it", async () => {
      const holder = await open({ leaseSeconds: 3 });
      const lost: string[] = [];
      holder.work.onControl((id, message) => lost.push(`${id} ${message}`));
      // Taking starts the renewal.
      await holder.work.take({ count: 1, blockMs: 10, signal });
      const claim = await started({}, holder);
      const connection = await RedisConnection.open({ url: driver.url! });
      const partitions = Number(
        await connection.send(["GET", new Keys({ prefix: driver.prefix }).agreed("partitions")]),
      );
      const keys = new Keys({ prefix: driver.prefix, partitions });
      const timers = keys.timers(keys.partitionOf(claim.executionId));
      const lapsesAt = async () => Number(await connection.send(["ZSCORE", timers, claim.executionId]));
      const first = await lapsesAt();
      await eventually(async () => {
        await store.work.take({ count: 1, blockMs: 100, signal });
        return await lapsesAt() > first + 3000;
      }, "a renewal after the first lease's end").finally(() => connection.close());
      assert.is(await metaOf(claim.executionId), "pending");
      await holder.work.append(claim, { sequence: 1, events: [completed("sum", 7)] });
      await holder.work.finish(claim, ending(claim, { sequence: 2 }));
      assert.equal(lost, []);
      const other = await started({}, holder);
      await store.log.cancel(other.executionId);
      await eventually(() => Promise.resolve(lost.includes(`${other.executionId} lost`)), "it hears of its loss");
    });

    test("what has no delivery left when its lease lapses is a dead letter", async () => {
      const dying = await open({ leaseSeconds: 1 });
      const strict = await open({ maxDeliveries: 1 });
      const claim = await started({ replyTo: strict.replies.instance }, dying);
      const reply = awaitReply(strict, claim.executionId);
      dying.work.release(claim);
      await takenUntil(strict, async () => await metaOf(claim.executionId) === "failed");
      assert.is((await reply).status, "failed");
      assert.is((await strict.deadLetters.get(claim.executionId))?.deliveries, 1);
    });

    test("an execution whose instance is gone while it is paused goes on when it is resumed", async () => {
      const dying = await open({ leaseSeconds: 1 });
      const claim = await started({}, dying);
      await store.log.pause(claim.executionId);
      dying.work.release(claim);
      assert.equal(await takenWithin(store, 1800), []);
      await store.log.resume(claim.executionId);
      const next = await takeClaim(store, claim.executionId);
      assert.equal([next.deliveries, next.paused], [1, false]);
      await store.work.finish(next, ending(next));
    });
  }

  test.run();
}
