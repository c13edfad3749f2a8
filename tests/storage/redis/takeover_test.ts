// not quick: leases lapse in it
// timeout: 300
/**
 * Taking over what a worker left that went without a word: under load, within the room there is, and when links break.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Store } from "../../../src/storage/store.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { pause } from "../../../src/lib/delay.ts";
import { type Bench, chainOf, makeBench } from "../../engine/bench_of_work.ts";
import { ending, requestOf, takeClaims } from "../drivers.ts";
import { startCuttingProxy } from "../../support/cutting_proxy.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
/** Longer than a process under test stands still on a busy machine. */
const LEASE_SECONDS = 3;
const { signal } = new AbortController();

for (const partitions of [1, 3]) {
  const test = suite(`Takeover in ${partitions} partitions`);
  const prefixes: string[] = [];
  const bench: Bench = makeBench({ work: () => pause(20).then(() => 1) });
  bench.define("busy", chainOf([{ id: "work", type: "act", parameters: { name: "work" } }]));

  test.after(async () => {
    for (const prefix of prefixes) await removeKeys(url, prefix);
  });
  const newPrefix = () => {
    prefixes.push(uniquePrefix());
    return prefixes.at(-1)!;
  };
  const open = (instance: string, prefix: string, at = url) =>
    // A process that stands still for longer than such a lease loses what it has: that is not to make dead letters here.
    openRedisStore({ url: at, prefix, partitions, instance, leaseSeconds: LEASE_SECONDS, maxDeliveries: 1000 });

  /** Executions that a worker has, which then goes without a word. */
  const leftBehind = async (prefix: string, count: number): Promise<string[]> => {
    await using peer = await open("peer", prefix);
    const ids: string[] = [];
    for (let n = 0; n < count; n++) ids.push(await bench.request(peer, "busy"));
    await takeClaims(peer, ids);
    return ids;
  };
  const isEnded = async (store: Store, id: string) => (await store.log.meta(id))?.status === "completed";
  const areEnded = async (store: Store, ids: readonly string[]) => {
    for (const id of ids) if (!(await isEnded(store, id))) return false;
    return true;
  };

  test("a worker that always has new entries to take, and every slot busy, still takes over", async () => {
    const prefix = newPrefix();
    await using store = await open("b", prefix);
    const left = await leftBehind(prefix, 10);
    const worker = bench.worker(store, "b", 2);
    // At two in 20 ms this is work for half a minute; more is added as long as it is needed.
    const backlog: string[] = [];
    for (let n = 0; n < 3000; n++) backlog.push(await bench.request(store, "busy"));
    worker.start();
    try {
      await eventually(() => areEnded(store, left), "the peer's executions end");
      assert.is(await isEnded(store, backlog.at(-1)!), false, "the backlog is not done yet");
    } finally {
      await worker.stop();
    }
  });

  test("takes over no more than there is room for, and lapsed work before new work", async () => {
    const prefix = newPrefix();
    const left = await leftBehind(prefix, 10);
    await using store = await open("b", prefix);
    const commands = await RedisConnection.open({ url });
    try {
      for (let n = 0; n < 10; n++) await bench.request(store, "busy");
      await pause(LEASE_SECONDS * 1000 + 500);
      const order: string[] = [];
      const keys = new Keys({ prefix, partitions });
      for (const count of [1, 2, 3, 1, 3]) {
        const claims = await eventually(async () => {
          const claims = await store.work.take({ count, blockMs: 500, signal });
          return claims.length > 0 && claims;
        }, "something to take");
        assert.ok(claims.length <= count);
        order.push(...claims.map(({ executionId }) => executionId));
        let pending = 0;
        for (const stream of keys.each((partition) => keys.work(partition))) {
          const [, , , consumers] = await commands.send<[number, string, string, [string, string][] | null]>(
            ["XPENDING", stream, "workers"],
          );
          for (const [consumer, n] of consumers ?? []) if (consumer === "b") pending += Number(n);
        }
        assert.is(pending, order.length, "what cannot be run stays for others");
      }
      assert.equal(order.filter((id) => !left.includes(id)), [], "nothing new while there is lapsed work");
    } finally {
      commands.close();
    }
  });

  test("a takeover that is cut at any command loses nothing, renews nothing for ever", async () => {
    const cuts = Array.from({ length: 24 }, (_, i) => i % 2 === 0 ? "before" as const : "reply" as const)
      .map((when, i) => ({ when, at: (i >> 1) + 1 }));
    for (let from = 0; from < cuts.length; from += 8) {
      await Promise.all(
        cuts.slice(from, from + 8).map(async ({ when, at }) => {
          const prefix = newPrefix();
          const left = await leftBehind(prefix, 12);
          await using proxy = await startCuttingProxy(Number(new URL(url).port));
          await using store = await open("b", prefix, proxy.url);
          // Its connection for taking is open, and its groups are there.
          await store.work.take({ count: 1, blockMs: 100, signal });
          const worker = bench.worker(store, "b", 20);
          await pause(LEASE_SECONDS * 1000 + 100);
          proxy.cutAtCommand(at, when);
          worker.start();
          try {
            await eventually(() => areEnded(store, left).catch(() => false), `all end, cut at ${at} ${when}`);
          } finally {
            await worker.stop();
          }
        }),
      );
    }
  });

  test("suspects whose turn does not come go to another worker, and keep no room from new work", async () => {
    const prefix = newPrefix();
    let held = 0;
    let release = () => {};
    const bench = makeBench({
      work: () => ++held > 1 ? Promise.resolve(1) : new Promise((resolve) => release = () => resolve(1)),
    });
    bench.define("busy", chainOf([{ id: "work", type: "act", parameters: { name: "work" } }]));
    const left = await leftBehind(prefix, 10);
    // Both are in this process: while it stands still, neither is to take what the other runs for a second loss.
    const openWith = (instance: string) =>
      openRedisStore({ url, prefix, partitions, instance, leaseSeconds: 15, maxDeliveries: 2 });
    await using b = await openWith("b");
    await using c = await openWith("c");
    const workers = [bench.worker(b, "b", 8, 2), bench.worker(c, "c", 8, 2)];
    try {
      workers[0]!.start();
      await eventually(() => held === 1, "one suspect, at its last chance, runs");
      const fresh: string[] = [];
      for (let n = 0; n < 20; n++) fresh.push(await bench.request(b, "busy"));
      await eventually(() => areEnded(b, fresh), "new work ends beside it");
      assert.is(held, 21, "no other suspect has begun beside it");
      workers[1]!.start();
      const ended = async () => {
        let n = 0;
        for (const id of left) if (await isEnded(b, id)) n++;
        return n === left.length - 1;
      };
      await eventually(ended, "the other suspects end");
      release();
      await eventually(() => areEnded(b, left), "all end");
    } finally {
      release();
      for (const worker of workers) await worker.stop();
    }
  });

  test("a lost delivery counts when it had begun, and once", async () => {
    const prefix = newPrefix();
    const request = requestOf();
    const counts: number[] = [];
    // It is begun at every other one; the first delivery has begun when it is taken.
    for (const n of [0, 1, 2, 3, 4]) {
      await using store = await open(String(n), prefix);
      if (n === 0) await store.log.request(request);
      const [claim] = await eventually(
        async () => {
          const claims = await store.work.take({ count: 1, blockMs: 500, signal });
          return claims.length > 0 && claims;
        },
        "the claim",
      );
      counts.push(claim!.deliveries);
      if (n % 2 === 1) await store.work.begin(claim!);
      if (n === 4) await store.work.finish(claim!, ending(claim!));
    }
    assert.equal(counts, [0, 1, 2, 2, 3]);
  });

  test.run();
}
