// timeout: 300
/**
 * `REDIS_FALLBACK=memory` on an instance that runs what it accepts itself: Redis goes away at every point of the short
 * way, and callers have their answer, and Redis all executions once it is back.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../src/lib/delay.ts";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { startProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import { type Gates, openGates } from "./gates.ts";
import { chain, type Instance, post, putWorkflow, readEvents, startInstance } from "./instance.ts";

const test = suite("The fallback and the short way");
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const double = { id: "double", type: "transform", parameters: { output: "{{ $trigger.body.n * 2 }}" } };
const PATIENT = { timeoutSeconds: 600 };
let proxy: TcpProxy;
let gates: Gates;
let a: Instance;

test.before(async () => {
  gates = await openGates();
  proxy = await startProxy(Number(new URL(url).port));
  a = await startInstance(env(proxy.url));
  await putWorkflow(a.url, "pure", chain("pure", [double], PATIENT));
  for (const name of ["start", "running"]) {
    const gated = chain(name, [gates.node(name), double], PATIENT);
    await putWorkflow(a.url, name, { ...gated, settings: { fallback: true } });
  }
  // The first counts the queue, the next need not: so Redis has both scripts, and no answer is that it has not.
  for (let n = 1; n <= 3; n++) assert.is((await post(`${a.url}/webhook/pure`, { n })).status, 200);
});
test.after(async () => {
  proxy.newLinks("work");
  await a.stop();
  await proxy[Symbol.asyncDispose]();
  await gates[Symbol.asyncDispose]();
  await removeKeys(url, prefix);
});

function env(redis: string): Record<string, string> {
  return {
    REDIS_URL: redis,
    REDIS_PREFIX: prefix,
    REDIS_FALLBACK: "memory",
    LOG_LEVEL: "warn",
    LEASE_SECONDS: "2",
    HTTP_ALLOW: "127.0.0.1",
    DRAIN_SECONDS: "0",
  };
}

/** Not more often than every 50 ms: it is asked for again and again. */
async function health(): Promise<{ status: string; redis: string }> {
  await pause(50);
  const { checks: { fallback, redis } } = await (await fetch(`${a.url}/health`)).json();
  return { ...fallback, redis: redis.status };
}

async function away(): Promise<void> {
  proxy.newLinks("refused");
  proxy.cut();
  await eventually(async () => (await health()).status === "active", "Redis is away");
}

async function back(): Promise<void> {
  proxy.newLinks("work");
  await eventually(async () => {
    const { status, redis } = await health();
    return status === "idle" && redis === "up";
  }, "all was handed over");
}

/** How often it was told that an execution ran twice: on a slow machine others may have, too. */
function toldTwice(id: string): number {
  return a.output().split("\n").filter((line) => line.includes('"ran twice"') && line.includes(id)).length;
}

async function stateOf(id: string): Promise<{ status: string; way?: string }> {
  return await (await fetch(`${a.url}/api/executions/${id}`)).json();
}

async function endsInRedis(id: string): Promise<void> {
  await eventually(async () => (await stateOf(id)).status === "completed", `${id} is in Redis`);
}

const answerOf = async (response: Response) =>
  [response.status, await response.json(), response.headers.get("millrace-durability")] as const;

for (const where of ["request", "answer"] as const) {
  test(`a link that is cut with the one write of a pure workflow, before its ${where}, costs its caller nothing`, async () => {
    const n = where === "request" ? 1001 : 1002;
    const cut = proxy.cutAt(`"n":${n}`, where);
    const called = post(`${a.url}/webhook/pure`, { n });
    await cut;
    proxy.cut();
    const response = await called;
    assert.equal(await answerOf(response), [200, 2 * n, "memory"]);
    await back();
    const id = response.headers.get("execution-id")!;
    await endsInRedis(id);
    // While this process stands still, its proxy does, and Redis is away for the instance.
    const again = await eventually(async () => {
      const response = await post(`${a.url}/webhook/pure`, { n: 1 });
      if (response.headers.get("millrace-durability") === null) return response;
      await response.body?.cancel();
      return undefined;
    }, "Redis has the next one");
    // Redis had it or not, and that is known: under the same id it is there once.
    if (where === "answer") await eventually(() => toldTwice(id) > 0, "it is told");
    assert.is(toldTwice(id), where === "request" ? 0 : 1);
    assert.equal(await answerOf(again), [200, 2, null]);
    assert.match(again.headers.get("server-timing")!, "single-write");
  });
}

test("what Redis had accepted and this instance runs goes on there, and its caller is answered from memory", async () => {
  const called = post(`${a.url}/webhook/running`, { n: 21 });
  await gates.reached("running");
  await away();
  // The same execution a second time, in memory.
  await gates.reached("running", 2);
  gates.open("running");
  const response = await called;
  assert.equal(await answerOf(response), [200, 42, "memory"]);
  await back();
  const id = response.headers.get("execution-id")!;
  await endsInRedis(id);
  await eventually(() => toldTwice(id) > 0, "it is told");
  assert.is(toldTwice(id), 1);
});

test("what runs in memory when Redis is back goes on there", async () => {
  await away();
  const called = post(`${a.url}/webhook/start`, { n: 4 });
  await gates.reached("start");
  await back();
  // The worker of the fallback requeued what it could not end: the node runs again, for Redis.
  await gates.reached("start");
  gates.open("start");
  const response = await called;
  assert.equal(await answerOf(response), [200, 8, "memory"]);
  const id = response.headers.get("execution-id")!;
  await endsInRedis(id);
  const events = await readEvents(`${a.url}/api/executions/${id}/events`);
  assert.ok(events.filter(({ event }) => event === "execution.started").length >= 2);
});

test("under load no caller notices that Redis goes and comes back, and all executions are in Redis", async () => {
  const ids: string[] = [];
  const ways = new Set<string>();
  const wrong: string[] = [];
  const stop = new AbortController();
  let memory = 0;
  const callers = Array.from({ length: 6 }, async (_, caller) => {
    for (let n = 0; !stop.signal.aborted; n++) {
      const response = await post(`${a.url}/webhook/pure`, { n: caller * 10_000 + n });
      const body = await response.json();
      if (response.status !== 200 || body !== 2 * (caller * 10_000 + n)) wrong.push(JSON.stringify(body));
      else ids.push(response.headers.get("execution-id")!);
      if (response.headers.get("millrace-durability") === "memory") memory++;
      ways.add(/way;desc="([^"]+)"/.exec(response.headers.get("server-timing") ?? "")?.[1] ?? "none");
      await pause(20);
    }
  });
  for (let outage = 0; outage < 2; outage++) {
    const [there, inMemory] = [ids.length, memory];
    await eventually(() => ids.length >= there + 20, "calls while Redis is there");
    await away();
    await eventually(() => memory >= inMemory + 20, "calls while Redis is away");
    await back();
  }
  stop.abort();
  await Promise.all(callers);
  await back();
  assert.equal(wrong, []);
  assert.is(new Set(ids).size, ids.length);
  for (const id of ids) await endsInRedis(id);
  assert.ok(ways.has("single-write"), [...ways].join());
});

test("what was changed while Redis was away is in the audit, an orderly end or not", async () => {
  await away();
  const refused = await post(`${a.url}/api/sessions/s1/events`, { type: "x" });
  assert.is(refused.status, 503);
  await back();
  await (await fetch(`${a.url}/api/workflows/pure`, { method: "DELETE" })).body?.cancel();
  assert.is(await a.stop("SIGTERM"), 0);
  a = await startInstance(env(proxy.url));
  const { entries } = await (await fetch(`${a.url}/api/audit?limit=2`)).json();
  assert.equal(
    entries.map((it: { method: string; status: number; what: object }) => [it.method, it.status, it.what]),
    [["DELETE", 204, { workflow: "pure" }], ["POST", 503, { session: "s1" }]],
  );
});

test.run();
