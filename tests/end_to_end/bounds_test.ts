// timeout: 600
/**
 * Nothing grows: after 20,000 executions and their times to live, Redis and the process are where they began.
 *
 * Everything runs in this process, so that its heap can be measured after a full collection. What is left then goes up
 * and down by some megabytes from one round to the next; a leak goes up in all of them. So memory is judged by its
 * trend over rounds, and more rounds are run before one that goes up is called a leak.
 */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createClient, type RedisClientType, type RedisFunctions, type RedisModules, type RedisScripts } from "redis";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createSubmit } from "../../src/execution/submit.ts";
import { createApp } from "../../src/http/app.ts";
import { Assembler } from "../../src/feed/assembler.ts";
import { Worker } from "../../src/engine/worker.ts";
import type { Store } from "../../src/storage/store.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { pause } from "../../src/lib/delay.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import { eventually } from "../support/eventually.ts";
import { startRedis } from "../../scripts/redis.ts";
import { chain } from "./instance.ts";
import { APP_CONFIG } from "../http/app_config.ts";

/** Rounds, and how many there may be until the trend is clear. */
const ROUNDS = 5;
const MOST_ROUNDS = 15;
const EXECUTIONS = 4000;
const WARM_UP = 4000;
/** What an execution may leave behind, in bytes: less than an entry of a map under its id takes. */
const LEFT_BYTES = 100;
const CALLERS = 64;
type Redis = RedisClientType<RedisModules, RedisFunctions, RedisScripts>;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const test = suite("Bounds");

test("20,000 executions leave no keys, memory, pending entries, file descriptors or heap behind", async () => {
  await using server = await startRedis({ json: true });
  const { url } = server;
  const redis: Redis = createClient({ url });
  await redis.connect();
  const store = await openRedisStore({ url, instance: "bounds", historyTtlSeconds: 1, feedKeptMs: 1000 });
  const site = await openSite(store);
  try {
    await site.load(WARM_UP, "warm");
    const base = await settled(redis, store);
    const rounds = [base];
    const grows = () => (["heapBytes", "redisBytes"] as const).filter((which) => growth(rounds, which) > LEFT_BYTES);
    while (rounds.length <= ROUNDS || grows().length > 0 && rounds.length <= MOST_ROUNDS) {
      await site.load(EXECUTIONS, `load${rounds.length}`);
      rounds.push(await settled(redis, store));
      const { expiring, keys, ...rest } = rounds.at(-1)!;
      console.log(`\n  ${keys.length} keys stay, ${expiring.length} expire, ${JSON.stringify(rest)}`);
    }
    const after = rounds.at(-1)!;
    assert.equal(after.keys, base.keys, "keys that stay");
    assert.is(after.pending, 0, "pending entries");
    // What a workflow's queue is looked after by stays for a minute; nothing of an execution does.
    const timers = await redis.zRange("mr:{0}:timers", 0, -1);
    assert.equal(timers.filter((member) => member !== "admit:limited"), [], "timers");
    assert.is(after.files, base.files, "file descriptors");
    assert.is(after.waiters, 0, "waiters");
    for (const which of ["heapBytes", "redisBytes"] as const) {
      const bytes = Math.round(growth(rounds, which));
      console.log(`\n  ${which} grew by ${bytes} an execution`);
      assert.ok(bytes <= LEFT_BYTES, `${which} grew by ${bytes} an execution: ${rounds.map((round) => round[which])}`);
    }
  } finally {
    await site.close();
    await store[Symbol.asyncDispose]();
    redis.destroy();
  }
});

test.run();

async function openSite(store: Store) {
  const fail = (error: unknown) => console.error(error);
  const catalog = new WorkflowCatalog({ store: store.workflows, nodeTypes: createNodeTypes({ fetch }), onError: fail });
  await catalog.start();
  const double = { id: "double", type: "transform", parameters: { output: "{{ body.n * 2 }}" } };
  const settings = { resultTtlSeconds: 1, timeoutSeconds: 600 };
  const define = (id: string, nodes: object[], more: object = {}) =>
    catalog.put(id, { ...chain(id, nodes as never), settings: { ...settings, ...more } });
  await define("pure", [double]);
  await define("short", [{ id: "wait", type: "delay", parameters: { seconds: 0.02 } }, double]);
  await define("long", [{ id: "wait", type: "delay", parameters: { seconds: 2.1 } }, double]);
  await define("limited", [double], { concurrency: 3 });
  await define("broken", [{ id: "broken", type: "fail", parameters: {} }]);
  const worker = new Worker({
    store,
    workflows: catalog,
    name: "bounds",
    concurrency: 256,
    outputLimitBytes: 100_000,
    onError: fail,
  });
  const assembler = new Assembler({
    clock: store.clock,
    log: store.log,
    projections: store.projections,
    workflows: catalog,
    onError: fail,
  });
  worker.start();
  assembler.start();
  const app = createApp({
    config: { ...APP_CONFIG, historyTtlSeconds: 1, idempotencyTtlSeconds: 1, instance: "bounds" },
    store,
    submit: createSubmit({ ...store, historyTtlSeconds: 1 }),
    catalog,
    logger: { debug() {}, info() {}, warn() {}, error: (fields) => fail(fields) },
    ready: () => true,
    info: { version: "0.0.0" },
  });

  async function call(n: number, round: string): Promise<void> {
    const path = n % 200 === 0
      ? "long"
      : n % 10 === 1
      ? "short"
      : n % 10 === 2
      ? "limited"
      : n % 10 === 3
      ? "broken"
      : "pure";
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (n % 10 === 4) headers["idempotency-key"] = `${round}-${n}`;
    if (n % 10 === 5) headers["prefer"] = "respond-async";
    const init = { method: "POST", headers, body: JSON.stringify({ n }) };
    const response = await app.request(`http://localhost/webhook/${path}`, init);
    const text = await response.text();
    const expected = path === "broken" ? 500 : n % 10 === 5 ? 202 : 200;
    assert.is(response.status, expected, text);
    if (expected === 200) assert.is(text, String(n * 2));
    if (n % 1000 === 0) await app.request(`http://localhost/api/executions/${response.headers.get("execution-id")}`);
  }
  return {
    load: async (count: number, round: string) => {
      let next = 0;
      const caller = async () => {
        while (next < count) await call(next++, round);
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
    },
    close: async () => {
      await worker.stop();
      await assembler.stop();
    },
  };
}

/**
 * What an execution adds, in bytes: the median of the slopes between all pairs of rounds (the Theil-Sen estimator),
 * which single rounds that are far off do not move.
 */
function growth(rounds: readonly Round[], which: "heapBytes" | "redisBytes"): number {
  const slopes = rounds.flatMap((from, i) =>
    rounds.slice(i + 1).map((to, j) => (to[which] - from[which]) / ((j + 1) * EXECUTIONS))
  );
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? 0;
}

type Round = Awaited<ReturnType<typeof settled>>;

/** What there is once all has ended and its times to live are over. */
async function settled(redis: Redis, store: Store) {
  const measure = async () => ({
    pending: (await redis.xPending("mr:{0}:work", "workers")).pending +
      (await redis.xPending("mr:{0}:feed", "assembler")).pending + await redis.xLen("mr:{0}:work"),
    waiters: store.replies.size,
    redisBytes: Number(/used_memory:(\d+)/.exec(await redis.info("memory"))![1]),
  });
  await eventually(async () => {
    const { pending, waiters } = await measure();
    return pending + waiters === 0;
  }, "the end of all work");
  // Redis finds what has expired little by little.
  let [last, still] = [0, 0];
  for (let i = 0; i < 8 && still < 2; i++) {
    await pause(1000);
    const now = await redis.dbSize();
    still = now === last ? still + 1 : 0;
    last = now;
  }
  // What the first collection finds to be garbage may hold on to more until the next turn.
  for (let i = 0; i < 3; i++) {
    collect();
    await pause(50);
  }
  const files = readdirSync("/proc/self/fd").length;
  return {
    ...await listKeys(redis),
    ...await measure(),
    files,
    heapBytes: process.memoryUsage().heapUsed,
  };
}

/** The names of keys that stay for more than a minute, and the milliseconds that are left to the others. */
async function listKeys(redis: Redis): Promise<{ keys: string[]; expiring: number[] }> {
  const keys: string[] = [];
  const expiring: number[] = [];
  for await (const names of redis.scanIterator({ COUNT: 1000 })) {
    for (const name of names) {
      const ttl = await redis.pTTL(name);
      if (name === "mr:{0}:timers") continue;
      // A day may end between two rounds.
      if (ttl === -1 || ttl > 60_000) keys.push(name.replace(/:daily(-past)?:[\d-]+/, ":daily$1"));
      else if (ttl >= 0) expiring.push(ttl);
    }
  }
  return { keys: [...new Set(keys)].sort(), expiring };
}
