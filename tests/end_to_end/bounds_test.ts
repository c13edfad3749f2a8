// timeout: 240
/**
 * Nothing grows: after 20,000 executions and their times to live, Redis and the process are where they began.
 *
 * Everything runs in this process, so that its heap can be measured after a full collection.
 */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createClient, type RedisClientType, type RedisFunctions, type RedisModules, type RedisScripts } from "redis";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createApp } from "../../src/app.ts";
import { Assembler } from "../../src/assembly/assembler.ts";
import { Worker } from "../../src/execution/worker.ts";
import type { Store } from "../../src/log/port.ts";
import { openRedisStore } from "../../src/log/redis/store.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { pause } from "../../src/pause.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import { redisVariants } from "../support/redis.ts";
import { chain } from "./instance.ts";

const EXECUTIONS = 20_000;
const WARM_UP = 2000;
const CALLERS = 64;
/** A database of its own, so that DBSIZE counts this test's keys. */
const url = `${redisVariants()[0]!.url}/9`;

type Redis = RedisClientType<RedisModules, RedisFunctions, RedisScripts>;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const test = suite("Bounds");

test("20,000 executions leave no keys, memory, pending entries, file descriptors or heap behind", async () => {
  const redis: Redis = createClient({ url });
  await redis.connect();
  await redis.flushDb();
  const store = await openRedisStore({ url, instance: "bounds", historyTtlSeconds: 1, feedKeptMs: 1000 });
  const site = await openSite(store);
  try {
    await site.load(WARM_UP, "warm");
    const base = await settled(redis, store);
    await site.load(EXECUTIONS, "load");
    const after = await settled(redis, store);
    for (const { expiring, keys, ...rest } of [base, after]) {
      console.log(`\n  ${keys.length} keys stay, ${expiring.length} expire, ${JSON.stringify(rest)}`);
    }
    assert.equal(after.keys, base.keys, "keys that stay");
    assert.is(after.pending, 0, "pending entries");
    assert.is(after.files, base.files, "file descriptors");
    assert.is(after.waiters, 0, "waiters");
    // A leak of 200 bytes an execution is 4 MB.
    assert.ok(after.redisMb - base.redisMb < 3, `Redis grew from ${base.redisMb} to ${after.redisMb} MB`);
    assert.ok(after.heapMb - base.heapMb < 4, `the heap grew from ${base.heapMb} to ${after.heapMb} MB`);
  } finally {
    await site.close();
    await store[Symbol.asyncDispose]();
    await redis.flushDb();
    redis.destroy();
  }
});

test.run();

async function openSite(store: Store) {
  const fail = (error: unknown) => console.error(error);
  const catalog = new WorkflowCatalog({ store: store.workflows, nodeTypes: createNodeTypes({ fetch }), onError: fail });
  await catalog.start();
  const double = { id: "double", type: "transform", parameters: { output: "{{ body.n * 2 }}" } };
  const settings = { resultTtlSeconds: 1, timeoutSeconds: 30 };
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
    log: store.log,
    projections: store.projections,
    workflows: catalog,
    onError: fail,
  });
  worker.start();
  assembler.start();
  const app = createApp({
    config: {
      allowedHosts: [],
      apiTokens: [],
      bodyLimitBytes: 100_000,
      corsOrigins: [],
      historyTtlSeconds: 1,
      idempotencyTtlSeconds: 1,
      instance: "bounds",
      roles: new Set(["http"]),
    },
    store,
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

/** What there is once nothing changes any more: waits for the times to live, at most 20 s. */
async function settled(redis: Redis, store: Store) {
  const measure = async () => ({
    pending: (await redis.xPending("mr:{0}:work", "workers")).pending +
      (await redis.xPending("mr:{0}:feed", "assembler")).pending + await redis.xLen("mr:{0}:work"),
    waiters: store.waiting(),
    redisMb: Math.round(Number(/used_memory:(\d+)/.exec(await redis.info("memory"))![1]) / 1e4) / 100,
  });
  let [last, still] = ["", 0];
  for (let i = 0; i < 20 && still < 3; i++) {
    await pause(1000);
    const now = `${await redis.dbSize()} ${(await measure()).pending}`;
    still = now === last ? still + 1 : 0;
    last = now;
  }
  collect();
  const files = readdirSync("/proc/self/fd").length;
  return {
    ...await listKeys(redis),
    ...await measure(),
    files,
    heapMb: Math.round(process.memoryUsage().heapUsed / 1e4) / 100,
  };
}

/** The names of keys that stay for more than a minute, and the milliseconds that are left to the others. */
async function listKeys(redis: Redis): Promise<{ keys: string[]; expiring: number[] }> {
  const keys: string[] = [];
  const expiring: number[] = [];
  for await (const names of redis.scanIterator({ COUNT: 1000 })) {
    for (const name of names) {
      const ttl = await redis.pTTL(name);
      if (ttl === -1 || ttl > 60_000) keys.push(name);
      else if (ttl >= 0) expiring.push(ttl);
    }
  }
  return { keys: keys.sort(), expiring };
}
