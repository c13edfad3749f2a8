/**
 * The contract of idempotency keys: one key, one execution, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Acceptance, ExecutionRequest, Idempotency } from "../../src/execution/request.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually, WAIT_LIMIT_MS } from "../support/eventually.ts";
import { drivers, ending, openEach, placedRequestOf, takeClaim, takenWithin } from "./drivers.ts";
import { endsOnce, refuses } from "./expectations.ts";

for (const driver of drivers()) {
  const test = suite(`Idempotency on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  test("a hundred requests at once with one key start one execution", async () => {
    const requests = Array.from({ length: 100 }, () => keyed(store));
    const answers = await Promise.all(requests.map((request) => store.log.request(request)));
    const started = answers.filter(({ isNew }) => isNew);
    assert.is(started.length, 1);
    const { executionId } = started[0]!;
    assert.equal([...new Set(answers.map((answer) => answer.executionId))], [executionId]);
    assert.ok(requests.some((request) => request.executionId === executionId));
    assert.equal(await takenWithin(store, 150), [executionId]);
    const others = requests.filter((request) => request.executionId !== executionId);
    const logs = await Promise.all(others.map((request) => store.log.read(request.executionId)));
    assert.is(logs.flat().length, 0);
    assert.is(await store.log.cancel(executionId), true);
  });

  test("the key answers the same after the end, and a request sent twice is new both times", async () => {
    const request = keyed(store);
    const isNew: Acceptance = { executionId: request.executionId, isNew: true };
    assert.equal(await store.log.request(request), isNew);
    assert.equal(await store.log.request(request), isNew);
    await end(store, request.executionId);
    assert.equal(await store.log.request(request), isNew);
    assert.equal(await store.log.request(keyed(store)), { executionId: request.executionId, isNew: false });
    assert.equal(await takenWithin(store, 100), []);
  });

  test("another fingerprint is refused, and changes nothing for the first", async () => {
    const request = keyed(store);
    await store.log.request(request);
    const other = keyed(store, { fingerprint: "f2" });
    await refuses(() => store.log.request(other), "idempotency_key_reused");
    assert.equal(await store.log.read(other.executionId), []);
    assert.equal(await store.log.request(keyed(store)), { executionId: request.executionId, isNew: false });
    await end(store, request.executionId);
    await refuses(() => store.log.request(keyed(store, { fingerprint: "f2" })), "idempotency_key_reused");
  });

  test("each key, and each workflow, has a namespace of its own", async () => {
    const requests = [
      keyed(store),
      keyed(store, { workflowId: "refunds" }),
      keyed(store, { key: "order-8", fingerprint: "f2" }),
      keyed(store, { key: 'order-7"' }),
    ];
    for (const request of requests) {
      assert.equal(await store.log.request(request), { executionId: request.executionId, isNew: true });
    }
    for (const request of requests) {
      const { workflowId, idempotency } = request;
      const again = keyed(store, { ...idempotency, workflowId });
      assert.equal(await store.log.request(again), { executionId: request.executionId, isNew: false });
      await store.log.cancel(request.executionId);
    }
  });

  test("the key is forgotten after its time, whatever fingerprint comes then", async () => {
    const first = keyed(store, { ttlSeconds: 1 });
    await store.log.request(first);
    await end(store, first.executionId);
    const second = await eventually(async () => {
      const answer = await store.log.request(keyed(store, { ttlSeconds: 1 }));
      return answer.isNew && answer;
    }, "the end of the key");
    assert.is.not(second.executionId, first.executionId);
    await eventually(async () => {
      const answer = await store.log.request(keyed(store, { fingerprint: "f2" })).catch(() => undefined);
      return answer?.isNew === true;
    }, "the end of the key again");
  });

  test("a request that was refused does not use its key", async () => {
    const concurrency = { limit: 1, onOverlap: "reject" as const };
    const first = placedRequestOf(store, { concurrency });
    await store.log.request(first);
    await refuses(() => store.log.request(keyed(store, { concurrency })), "concurrency_exceeded");
    await end(store, first.executionId);
    const again = keyed(store, { fingerprint: "f2", concurrency });
    assert.equal(await store.log.request(again), { executionId: again.executionId, isNew: true });
    assert.equal(await store.log.request(keyed(store, { fingerprint: "f2", concurrency })), {
      executionId: again.executionId,
      isNew: false,
    });
    await end(store, again.executionId);
  });

  test("a key is found again after its workflow got, or lost, a limit, during the execution and after it", async () => {
    const concurrency = { limit: 100, onOverlap: "queue" as const };
    for (let n = 0; n < 12; n++) {
      const key = `order-${n}`;
      const [before, after] = n % 2 === 0 ? [{}, { concurrency }] : [{ concurrency }, {}];
      const first = keyed(store, { key, ...before });
      assert.equal(await store.log.request(first), { executionId: first.executionId, isNew: true });
      const existing = { executionId: first.executionId, isNew: false };
      assert.equal(await store.log.request(keyed(store, { key, ...after })), existing);
      await refuses(
        () => store.log.request(keyed(store, { key, fingerprint: "f2", ...after })),
        "idempotency_key_reused",
      );
      await end(store, first.executionId);
      assert.equal(await store.log.request(keyed(store, { key, ...after })), existing);
      assert.equal(await store.log.request(keyed(store, { key, ...before })), existing);
    }
    assert.equal(await takenWithin(store, 100), []);
  });

  test("a key whose execution is gone starts nothing, with a limit or without", async () => {
    const concurrency = { limit: 100, onOverlap: "queue" as const };
    const firsts: ExecutionRequest[] = [];
    for (let n = 0; n < 8; n++) {
      const first = keyed(store, {
        ...{ key: `order-${n}`, ttlSeconds: 600, resultTtlSeconds: 1, historyTtlSeconds: 1 },
        ...(n < 6 ? { concurrency } : {}),
      });
      await store.log.request(first);
      const claim = await takeClaim(store, first.executionId);
      await store.work.finish(claim, ending(claim));
      firsts.push(first);
    }
    for (const first of firsts) {
      const { executionId } = first;
      await eventually(async () => await store.log.meta(executionId) === undefined, "the end of its history");
      const existing = { executionId, isNew: false };
      const [key, ttlSeconds] = [first.idempotency!.key, 600];
      for (const limit of [{ concurrency }, {}]) {
        assert.equal(await store.log.request(keyed(store, { key, ttlSeconds, ...limit })), existing);
        assert.equal(await store.shortWay.start(keyed(store, { key, ttlSeconds, ...limit })), existing);
        const other = keyed(store, { key, ttlSeconds, fingerprint: "f2", ...limit });
        await refuses(() => store.log.request(other), "idempotency_key_reused");
      }
      assert.equal(await store.log.read(executionId), []);
      assert.equal(await store.log.request(first), existing);
    }
    assert.equal(await takenWithin(store, 100), []);
  });

  test("requests that are under way while a limit comes or goes start one execution, which answers its caller", async () => {
    await using other = driver.isShared ? await driver.open("b") : undefined;
    const concurrency = { limit: 100, onOverlap: "queue" as const };
    for (let n = 0; n < 12; n++) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const through = i % 3 === 0 ? other ?? store : store;
          const request = keyed(through, {
            key: `order-${n}`,
            replyTo: through.replies.instance,
            ...(i % 2 === 0 ? { concurrency } : {}),
          });
          const waiter = through.replies.wait(request.executionId, { timeoutMs: WAIT_LIMIT_MS });
          const accepted = await through.log.request(request);
          if (accepted.executionId !== request.executionId) waiter.abandon();
          return { ...accepted, reply: waiter.reply, isOwn: accepted.executionId === request.executionId };
        }),
      );
      const ids = new Set(answers.map(({ executionId }) => executionId));
      assert.is(ids.size, 1);
      assert.is(answers.filter(({ isNew }) => isNew).length, 1);
      await end(store, [...ids][0]!);
      const first = answers.find(({ isOwn }) => isOwn)!;
      assert.is((await first.reply).result?.status, "completed");
    }
    assert.equal(await takenWithin(store, 100), []);
  });

  test("a key that was used is answered though the queue is full", async () => {
    await using narrow = await driver.open("narrow", { queueLimit: 1 });
    const request = keyed(store);
    await narrow.log.request(request);
    assert.equal(await narrow.log.request(keyed(store)), { executionId: request.executionId, isNew: false });
    await refuses(() => narrow.log.request(keyed(store, { fingerprint: "f2" })), "idempotency_key_reused");
    assert.is(await narrow.log.cancel(request.executionId), true);
  });

  test.run();
}

/** Another request under the key `order-7`, unless said otherwise, with an id of its own. */
function keyed(store: Store, options: Partial<Idempotency & ExecutionRequest> = {}): ExecutionRequest {
  const { key = "order-7", fingerprint = "f1", ttlSeconds = 60, ...rest } = options;
  return placedRequestOf(store, { idempotency: { key, fingerprint, ttlSeconds }, ...rest });
}

async function end(store: Store, executionId: string): Promise<void> {
  const claim = await takeClaim(store, executionId);
  await store.work.finish(claim, ending(claim));
  await endsOnce(store, executionId);
}
