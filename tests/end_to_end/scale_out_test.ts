// timeout: 240
/**
 * Several processes on one Redis: any of them serves, follows and finishes what another began.
 */
import { createClient } from "redis";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../src/lib/delay.ts";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { type Gates, openGates } from "./gates.ts";
import {
  chain,
  type Instance,
  parseEvents,
  post,
  putWorkflow,
  readEvents,
  startInstance,
  untilServed,
} from "./instance.ts";

const test = suite("Several instances on one Redis");
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const env = { REDIS_URL: url, REDIS_PREFIX: prefix, LOG_LEVEL: "warn", LEASE_SECONDS: "2", HTTP_ALLOW: "127.0.0.1" };
/** No other test that uses this Redis has an instance of this name. */
const instance = `a-${crypto.randomUUID()}`;
/** Whoever waits at a gate waits for the test. */
const redis = createClient({ url });
let [a, b, c]: [Instance, Instance, Instance] = [] as never;
let gates: Gates;

test.before(async () => {
  await redis.connect();
  gates = await openGates();
  [a, b, c] = await Promise.all([
    startInstance({ ...env, ROLES: "http", INSTANCE_ID: instance }),
    startInstance({ ...env, ROLES: "worker,assembler,scheduler", WORKER_CONCURRENCY: "4000" }),
    startInstance({ ...env, ROLES: "http" }),
  ]);
});
test.after(async () => {
  await Promise.all([a, b, c].map((instance) => instance.stop()));
  await gates[Symbol.asyncDispose]();
  await removeKeys(url, prefix);
  redis.destroy();
});

test("a PUT on one instance is served by another", async () => {
  for (const n of [1, 2, 3]) {
    await putWorkflow(a.url, "fresh", chain("fresh", [{ id: "n", type: "transform", parameters: { output: n } }]));
    await eventually(async () => {
      const response = await post(`${c.url}/webhook/fresh`, {});
      return (response.ok ? await response.json() : await response.text()) === n;
    }, `version ${n}`);
  }
});

test("an execution keeps the version that it started with", async () => {
  const workflow = (word: string) =>
    chain("versions", [
      gates.node("versions"),
      { id: "word", type: "transform", parameters: { output: word } },
    ]);
  await putWorkflow(a.url, "versions", workflow("old"));
  const waiting = post(`${a.url}/webhook/versions`, {});
  await gates.reached("versions");
  await putWorkflow(a.url, "versions", workflow("new"));
  gates.open("versions");
  assert.is(await (await waiting).json(), "old");
  assert.is(await (await post(`${a.url}/webhook/versions`, {})).json(), "new");
});

test("a third instance follows an execution live and fetches its result", async () => {
  const names = ["live1", "live2", "live3"];
  const nodes = names.map((name) => gates.node(name));
  await putWorkflow(a.url, "follow", chain("follow", nodes, { responseMode: "onReceived" }));
  const { executionId } = await (await post(`${a.url}/webhook/follow`, {})).json();
  const response = await fetch(`${c.url}/api/executions/${executionId}/events`, {
    headers: { accept: "text/event-stream" },
  });
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    // Each gate opens only when the follower has heard that it was reached: nothing can arrive later than it happens.
    for (const { event, data } of parseEvents(text)) if (event === "node.started") gates.open(data.node!);
  }
  for (const name of names) assert.match(text, `"node":"${name}"`);
  assert.match(text, "execution.completed");
  const result = await (await fetch(`${c.url}/api/executions/${executionId}/result`)).json();
  assert.is(result.status, "completed");
});

test("the result lies under its key with the set TTL, and the log reads like a story in XRANGE", async () => {
  await putWorkflow(a.url, "ttl", {
    ...chain("ttl", [{ id: "sum", type: "transform", parameters: { output: { total: 3 } } }]),
    settings: { resultTtlSeconds: 777 },
  });
  const response = await post(`${a.url}/webhook/ttl`, {});
  await response.body?.cancel();
  const id = response.headers.get("execution-id");
  const ttl = await redis.ttl(`${prefix}{0}:execution:result:${id}`);
  assert.ok(ttl > 300 && ttl <= 777, `a TTL of ${ttl} s`);
  assert.is(JSON.parse((await redis.get(`${prefix}{0}:execution:result:${id}`))!).output.total, 3);
  const [requested, rest, ...others] = await redis.xRange(`${prefix}{0}:log:${id}`, "-", "+") ?? [];
  assert.is(requested?.message["type"], "execution.requested");
  assert.equal(others, []);
  // What was written together is one entry, an event a field.
  assert.equal(Object.keys(rest!.message), ["execution.started", "node.completed sum", "execution.completed"]);
  assert.match(rest!.message["node.completed sum"]!, /^\d{13}\/\d{13} {"output":{"total":3}}$/);
});

test("2,000 callers wait on one instance for executions of 1 s, over no more connections than before", async () => {
  await putWorkflow(a.url, "second", {
    ...chain("second", [
      { id: "wait", type: "delay", parameters: { seconds: 1 } },
      { id: "same", type: "transform", parameters: { output: "{{ body.n }}" } },
    ]),
    settings: { saveExecutionToDatabase: false },
  });
  await eventually(async () => {
    const ready = await fetch(`${a.url}/readyz`);
    await ready.body?.cancel();
    return ready.status === 200;
  }, "the instance has its connections");
  const before = await connections();
  let during = 0;
  const calls = Array.from({ length: 2000 }, async (_, n) => {
    const response = await untilServed(() => post(`${a.url}/webhook/second`, { n })).catch((error) => {
      throw new Error(`Call ${n}: ${error.cause ?? error}`);
    });
    assert.is(response.status, 200);
    assert.is(await response.json(), n);
  });
  const watching = (async () => {
    for (let i = 0; i < 20; i++) {
      let now = await connections();
      if (now > before) {
        // A link that was replaced is listed beside the new one for a moment; one link more for callers stays.
        await pause(500);
        now = await connections();
      }
      during = Math.max(during, now);
      await pause(100);
    }
  })();
  await Promise.all(calls);
  await watching;
  assert.is(during, before);
});

test("what a killed worker ran is taken over, and what it had completed is not run again", async () => {
  await putWorkflow(a.url, "survivor", {
    ...chain("survivor", [
      { id: "first", type: "transform", parameters: { output: "{{ $random() }}" } },
      gates.node("survivor"),
      { id: "last", type: "transform", parameters: { output: "{{ $nodes.first }}" } },
    ]),
  });
  const waiting = post(`${a.url}/webhook/survivor`, {});
  await gates.reached("survivor");
  b.process.kill("SIGKILL");
  b = await startInstance({ ...env, ROLES: "worker,assembler,scheduler" });
  gates.open("survivor");
  const response = await waiting;
  const answer = await response.json();
  assert.is(response.status, 200);
  const events = await readEvents(`${a.url}/api/executions/${response.headers.get("execution-id")}/events`);
  const firsts = events.filter(({ event, data }) => event === "node.completed" && data.node === "first");
  assert.equal(firsts.map(({ data }) => (data.data as { output: number }).output), [answer]);
  const starts = events.filter(({ event }) => event === "execution.started");
  const epochs = starts.map(({ data }) => (data.data as { epoch: number }).epoch);
  assert.ok(epochs.length > 1 && epochs.every((epoch, i) => i === 0 || epoch > epochs[i - 1]!), `epochs ${epochs}`);
});

test("a client that leaves frees its waiter, and the execution runs on", async () => {
  await putWorkflow(a.url, "left", chain("left", [gates.node("left")]));
  const waiters = async () =>
    Number(/^millrace_waiters (\d+)/m.exec(await (await fetch(`${a.url}/metrics`)).text())?.[1]);
  const controller = new AbortController();
  const call = fetch(`${a.url}/webhook/left`, { method: "POST", signal: controller.signal }).catch(() => "left");
  await gates.reached("left");
  // Whoever another test left behind goes by itself.
  await eventually(async () => await waiters() === 1, "one caller waits");
  controller.abort();
  assert.is(await call, "left");
  await eventually(async () => await waiters() === 0, "nobody waits");
  gates.open("left");
  await eventually(async () => {
    const { executions } = await (await fetch(`${a.url}/api/executions?workflow=left`)).json();
    return executions[0]?.status === "completed";
  }, "the end");
});

test("an instance with another number of partitions refuses to start, saying why", async () => {
  let message = "";
  try {
    await startInstance({ ...env, PARTITIONS: "4" });
  } catch (error) {
    message = String(error);
  }
  assert.match(message, "set PARTITIONS=1");
});

test.run();

/** How many connections the instance `a` has to Redis. */
async function connections(): Promise<number> {
  const list = String(await redis.sendCommand(["CLIENT", "LIST"]));
  return list.split("\n").filter((line) => line.includes(` name=millrace:${instance}:`)).length;
}
