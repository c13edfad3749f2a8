// timeout: 120
/**
 * Many partitions: a worker runs no more than it is told, and serves them all alike.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { pause } from "../../../src/lib/delay.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { chainOf, makeBench } from "../../engine/bench_of_work.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { requestOf } from "../drivers.ts";
import { refuses } from "../expectations.ts";

const PARTITIONS = 16;
const { url } = redisVariants()[0]!;

for (const { concurrency, executions } of [{ concurrency: 4, executions: 200 }, { concurrency: 40, executions: 400 }]) {
  test(`WORKER_CONCURRENCY=${concurrency} holds over ${PARTITIONS} partitions, which are served alike`, async () => {
    const prefix = uniquePrefix();
    const keys = new Keys({ prefix, partitions: PARTITIONS });
    await using store = await openRedisStore({ url, prefix, partitions: PARTITIONS, instance: "a" });
    let [running, most] = [0, 0];
    const order: number[] = [];
    const bench = makeBench({
      work: async ({ key }) => {
        order.push(keys.partitionOf(key.split(":")[0]!));
        most = Math.max(most, ++running);
        await pause(5);
        running--;
        return 1;
      },
    });
    bench.define("w", chainOf([{ id: "work", type: "act", parameters: { name: "work" } }]));
    const worker = bench.worker(store, "a", concurrency);
    try {
      // Once with all of them there, once while they come.
      for (let n = 0; n < executions / 2; n++) await bench.request(store, "w");
      worker.start();
      const late = (async () => {
        for (let n = 0; n < executions / 2; n++) await bench.request(store, "w");
      })();
      await late;
      await eventually(() => order.length === executions && running === 0, "all run");
      assert.ok(most <= concurrency, `${most} ran at once`);
      const first = order.slice(0, PARTITIONS * 3);
      const counts = Array.from({ length: PARTITIONS }, (_, p) => first.filter((partition) => partition === p).length);
      // Each had more than three when it began, or near to it: chance gave them different numbers.
      assert.ok(Math.max(...counts) <= 9, `of the first ${first.length}: ${counts}`);
    } finally {
      await worker.stop();
      await removeKeys(url, prefix);
    }
  });
}

test("take() of executions for other programs gives those of each partition, however many wait in another", async () => {
  const [prefix, partitions, many] = [uniquePrefix(), 4, 30];
  const keys = new Keys({ prefix, partitions });
  await using store = await openRedisStore({ url, prefix, partitions, instance: "a" });
  const idIn = (partition: number) => {
    for (;;) {
      const id = uuidv7();
      if (keys.partitionOf(id) === partition) return id;
    }
  };
  try {
    const ids = [...Array.from({ length: many }, () => idIn(0)), idIn(2)];
    for (const executionId of ids) await store.log.request(requestOf({ executionId, external: "taken" }));
    const given = new Set<number>();
    // Each time with one chance in two.
    for (let n = 0; n < many; n++) {
      const [claim] = await store.external.take({ workflowIds: ["orders"], count: 1, leaseMs: 60_000 });
      given.add(keys.partitionOf(claim!.executionId));
    }
    assert.equal([...given].sort(), [0, 2]);
  } finally {
    await removeKeys(url, prefix);
  }
});

test("who is refused to follow all feeds, as too many streams are followed, leaves none of them followed", async () => {
  const prefix = uniquePrefix();
  await using store = await openRedisStore({ url, prefix, partitions: 4, instance: "a", maxFollowers: 3 });
  const { signal } = new AbortController();
  try {
    const feed = () => store.projections.followFeed({ signal })[Symbol.asyncIterator]().next();
    for (let n = 0; n < 2; n++) await refuses(feed, "too_many_waiters");
    const ids = Array.from({ length: 3 }, () => uuidv7());
    for (const executionId of ids) await store.log.request(requestOf({ executionId }));
    let seen = 0;
    const followed = Promise.all(ids.map(async (id) => {
      for await (const _ of store.log.tail(id, { signal })) seen++;
    }));
    await eventually(() => seen === ids.length, "all are read");
    // They have come to the end of what there is.
    await pause(200);
    for (const id of ids) await store.log.cancel(id);
    await followed;
    assert.is(seen, 2 * ids.length);
  } finally {
    await removeKeys(url, prefix);
  }
});

test("a worker with little room that waits hands on what it has no room for, and nothing waits for it", async () => {
  const prefix = uniquePrefix();
  await using store = await openRedisStore({ url, prefix, partitions: PARTITIONS, instance: "a" });
  await using other = await openRedisStore({ url, prefix, partitions: PARTITIONS, instance: "b" });
  const opened = new Map<string, () => void>();
  const bench = makeBench({ gate: ({ key }) => new Promise((resolve) => opened.set(key, () => resolve(1))) });
  bench.define("g", chainOf([{ id: "gate", type: "act", parameters: { name: "gate" } }]));
  const workers = [bench.worker(store, "a", 1), bench.worker(other, "b", 1)];
  try {
    for (const worker of workers) worker.start();
    await pause(200);
    const ids = await Promise.all(Array.from({ length: 12 }, () => bench.request(store, "g")));
    for (let n = 0; n < ids.length; n++) {
      const [key, open] = await eventually(() => [...opened][0], "one runs");
      assert.ok(workers.every(({ running }) => running <= 1));
      opened.delete(key);
      open();
    }
    const left = async () => {
      for (const id of ids) if ((await store.log.meta(id))?.status !== "completed") return false;
      return true;
    };
    await eventually(left, "all end");
  } finally {
    for (const worker of workers) await worker.stop();
    await removeKeys(url, prefix);
  }
});

test.run();
