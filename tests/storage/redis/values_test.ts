// not quick: values of megabytes
// timeout: 120
/**
 * What large values cost on Redis: they are stored once, go with their log, and come over the wire only for who wants
 * them. What an older version stored is read as before.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createSubmit } from "../../../src/execution/submit.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { createApp } from "../../../src/http/app.ts";
import { loadConfig } from "../../../src/config/config.ts";
import type { LogEvent } from "../../../src/execution/event.ts";
import type { Store } from "../../../src/storage/store.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { ending, requestOf, takeClaim } from "../drivers.ts";
import { eventually } from "../../support/eventually.ts";
import { startFaultyRedis } from "../../support/faulty_redis.ts";

const MB = 1024 * 1024;

const output = (node: string, value: string): LogEvent => ({
  type: "node.completed",
  time: 1,
  node,
  data: { output: value },
});

async function openSite(options: { maxDeliveries?: number; leaseSeconds?: number } = {}) {
  const redis = await startFaultyRedis();
  const store: Store = await openRedisStore({ url: redis.url, instance: "a", ...options });
  const control = await RedisConnection.open({ url: redis.url });
  const app = createApp({
    config: loadConfig({}, { instance: "a" }),
    store,
    submit: createSubmit({ ...store, historyTtlSeconds: 60 }),
    catalog: { get: () => Promise.resolve(undefined) } as never,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ready: () => true,
    info: { version: "0.0.0" },
  });
  const sent = async () => {
    const info = await control.send<string>(["INFO", "stats"]);
    return Number(/^total_net_output_bytes:(\d+)/m.exec(info)![1]);
  };
  return {
    url: redis.url,
    store,
    control,
    get: async (path: string, headers: Record<string, string> = {}) =>
      await app.request(`http://localhost${path}`, { headers }),
    /** How many bytes Redis sends while this is done. */
    sentDuring: async (work: () => Promise<unknown>) => {
      const before = await sent();
      await work();
      return await sent() - before;
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      control.close();
      await redis[Symbol.asyncDispose]();
    },
  };
}

test("a large value is stored once, beside the log, and goes when the log goes", async () => {
  await using site = await openSite();
  const { store, control } = site;
  const request = requestOf({ input: "i".repeat(MB), replyTo: "a", resultTtlSeconds: 1, historyTtlSeconds: 6 });
  const id = request.executionId;
  await store.log.request(request);
  const [[, work]] = await control.send<[[string, string[]]]>(["XRANGE", "mr:{0}:work", "-", "+"]);
  assert.ok(JSON.stringify(work).length < 1000);
  const claim = await takeClaim(store, id);
  const value = "o".repeat(MB);
  await store.work.append(claim, { sequence: 1, events: [output("a", value)] });
  assert.is(await control.send(["TTL", `mr:{0}:values:${id}`]), -1);
  const result = { executionId: id, status: "completed" as const, output: value };
  await store.work.finish(claim, ending(claim, { sequence: 2, result }));
  assert.equal((await control.send<string[]>(["HKEYS", `mr:{0}:values:${id}`])).sort(), ["a", "hook"]);
  assert.is(await control.send(["HSTRLEN", `mr:{0}:values:${id}`, "a"]), MB + 2);
  assert.ok(await control.send<number>(["STRLEN", `mr:{0}:execution:result:${id}`]) < 1000);
  assert.ok(await control.send<number>(["MEMORY", "USAGE", `mr:{0}:log:${id}`, "SAMPLES", "0"]) < 10_000);
  const expiry = async (kind: string) => await control.send<number>(["PEXPIRETIME", `mr:{0}:${kind}:${id}`]);
  assert.ok(Math.abs(await expiry("values") - await expiry("log")) < 500);
  await eventually(async () => await control.send(["EXISTS", `mr:{0}:values:${id}`]) === 0, "it goes");
  const left = (await control.send<string[]>(["KEYS", `*${id}*`])).filter((name) => !name.includes(":state:"));
  assert.equal(left, []);
});

test("a result that is large, and stands nowhere beside the log, is stored as gzip", async () => {
  await using site = await openSite();
  const { store, control } = site;
  for (const [length, first] of [[100, "{"], [33 * 1024, "\x1f"], [MB, "\x1f"]] as const) {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const result = { executionId: request.executionId, status: "completed" as const, output: "ö".repeat(length) };
    await store.work.finish(claim, ending(claim, { result }));
    const key = `mr:{0}:execution:result:${request.executionId}`;
    assert.is(await control.send(["GETRANGE", key, "0", "0"]), first, `${length} characters`);
    assert.ok(await control.send<number>(["STRLEN", key]) < 10_000, `${length} characters`);
    assert.equal(await store.log.result(request.executionId), result);
  }
});

test("the state of a heavy execution comes without what is heavy, its events a page at a time", async () => {
  await using site = await openSite();
  const { store } = site;
  const request = requestOf({ input: "i".repeat(MB) });
  await store.log.request(request);
  const claim = await takeClaim(store, request.executionId);
  for (let n = 1; n <= 30; n++) {
    await store.work.append(claim, { sequence: n, events: [output(`n${n}`, "o".repeat(MB))] });
  }
  const path = `/api/executions/${request.executionId}`;
  const state = await site.sentDuring(async () => {
    const response = await site.get(path);
    assert.is(Object.keys((await response.json()).nodes).length, 31);
  });
  assert.ok(state < MB, `${state} bytes for the state of 31 MB`);
  const waited = await site.sentDuring(async () => {
    const response = await site.get(`${path}/result`, { prefer: "wait=1" });
    assert.is(response.status, 202);
  });
  assert.ok(waited < MB, `${waited} bytes to wait on 31 MB`);

  let [after, events, pages] = ["", 0, 0];
  do {
    const text = await (await site.get(`${path}/events?limit=1000&from=${after || "0-0"}`)).text();
    assert.ok(text.length < 8 * MB, `a page of ${text.length}`);
    const body = JSON.parse(text);
    events += body.events.length;
    pages++;
    after = body.next;
  } while (after !== undefined);
  assert.is(events, 31);
  assert.ok(pages > 3, `${pages} pages`);

  // Of a stream that nobody reads on, only its beginning is loaded.
  const begun = await site.sentDuring(async () => {
    const response = await site.get(`${path}/events`, { accept: "application/x-ndjson" });
    const reader = response.body!.getReader();
    assert.ok((await reader.read()).value!.length > MB);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await reader.cancel();
  });
  assert.ok(begun < 12 * MB, `${begun} bytes for the first lines`);
  const whole = await (await site.get(`${path}/events`, { accept: "application/x-ndjson" })).text();
  assert.is(whole.split("\n").length, 32);
});

test("a page of dead letters comes without what was posted, and one of them with it", async () => {
  await using site = await openSite({ maxDeliveries: 1, leaseSeconds: 0.2 });
  const { store } = site;
  const ids: string[] = [];
  for (let n = 0; n < 12; n++) {
    const request = requestOf({ input: String(n % 10).repeat(MB), historyTtlSeconds: 1, resultTtlSeconds: 1 });
    ids.push(request.executionId);
    await store.log.request(request);
    store.work.release(await takeClaim(store, request.executionId));
  }
  await eventually(
    async () => {
      await store.work.take({ count: 1, blockMs: 100, signal: AbortSignal.timeout(100) });
      return (await store.deadLetters.list({ limit: 100 })).deadLetters.length === ids.length;
    },
    "they are dead",
    { timeoutMs: 60_000 },
  );
  const sent = await site.sentDuring(async () => {
    const { deadLetters, nextCursor } = await (await site.get("/api/dead-letters?limit=1")).json();
    assert.equal([deadLetters[0].executionId, nextCursor], [ids.at(-1), ids.at(-1)]);
  });
  assert.ok(sent < 20_000, `${sent} bytes for one of 12 dead letters of a megabyte`);
  await eventually(async () => await store.log.meta(ids[3]!) === undefined, "the log is gone");
  assert.is((await (await site.get(`/api/dead-letters/${ids[3]}`)).json()).input, "3".repeat(MB));
  assert.is(await store.deadLetters.drop(ids[3]!), true);
  assert.equal(await site.control.send(["KEYS", `*${ids[3]}*`]), []);
});

test("what was stored with its values inline, and dead letters of then, are read as before", async () => {
  await using site = await openSite();
  const { store, control } = site;
  const id = uuidv7();
  const input = { body: "x".repeat(MB) };
  const data = JSON.stringify({ workflowId: "orders", version: 1, trigger: "hook", input });
  await control.send(["XADD", `mr:{0}:log:${id}`, "*", "type", "execution.requested", "time", "5", "data", data]);
  const value = JSON.stringify({ output: "y".repeat(MB) });
  await control.send([
    "XADD",
    `mr:{0}:log:${id}`,
    "*",
    "type",
    "node.completed",
    "time",
    "6",
    "node",
    "a",
    "data",
    value,
  ]);
  const events = await store.log.read(id);
  assert.equal(events.map(({ data }) => data), [JSON.parse(data), JSON.parse(value)]);
  const dead = ["execution", id, "requestedAt", "5", "diedAt", "6", "deliveries", "5", "error", '{"code":"x"}'];
  await control.send(["XADD", "mr:{0}:dead", "*", ...dead, "request", data]);
  const { deadLetters } = await store.deadLetters.list({ limit: 5 });
  assert.equal(deadLetters.map(({ executionId, trigger }) => [executionId, trigger]), [[id, "hook"]]);
  assert.equal((await store.deadLetters.get(id))?.input, input);
  assert.is(await store.deadLetters.drop(id), true);
  assert.equal(await store.deadLetters.list({ limit: 5 }), { deadLetters: [] });
});

test("the newest thousand dead letters are kept, and nothing of the others", async () => {
  await using site = await openSite();
  const { store, control } = site;
  for (let n = 0; n < 1000; n++) {
    const id = `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`;
    void control.send(["ZADD", "mr:{0}:dead-letters", "0", id]).catch(() => {});
    void control.send(["HSET", `mr:{0}:dead:${id}`, "workflow", "w", "input", '"x"']).catch(() => {});
  }
  await using mortal = await openRedisStore({ url: site.url, instance: "b", maxDeliveries: 1, leaseSeconds: 0.2 });
  const request = requestOf();
  await mortal.log.request(request);
  mortal.work.release(await takeClaim(mortal, request.executionId));
  await eventually(async () => {
    await mortal.work.take({ count: 1, blockMs: 100, signal: AbortSignal.timeout(100) });
    return await store.deadLetters.get(request.executionId);
  }, "it is dead");
  assert.is(await control.send(["ZCARD", "mr:{0}:dead-letters"]), 1000);
  assert.is((await control.send<string[]>(["KEYS", "mr:{0}:dead:*"])).length, 1000);
  assert.is(await store.deadLetters.get("00000000-0000-7000-8000-000000000000"), undefined);
});

test.run();
