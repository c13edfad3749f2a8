// timeout: 900
/**
 * `REDIS_FALLBACK=memory`: webhooks go on in memory while Redis is away, and afterwards all of it is in Redis.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../src/lib/delay.ts";
import { json, post } from "../http/harness.ts";
import { chain, type WholeApp } from "../http/whole_app.ts";
import { eventually } from "../support/eventually.ts";
import { openGates } from "./gates.ts";
import { openRig, OUTAGE_SECONDS, putGated, type Rig } from "./fallback_rig.ts";

/** What executions may take by default. */
const DEADLINE_MS = 300_000;
const CALLERS = 8;
/** How long each caller pauses, in milliseconds: so that a long outage stays well within FALLBACK_EXECUTIONS. */
const PACE_MS = Math.max(20, (CALLERS * OUTAGE_SECONDS * 1000) / 50_000);

async function putWorkflows({ catalog }: WholeApp): Promise<void> {
  const sum = { id: "sum", type: "transform", parameters: { output: { total: "{{ body.n + 1 }}" } } };
  await catalog.put("sum", chain("sum", [sum]));
  const call = { id: "call", type: "httpRequest", parameters: { url: "http://127.0.0.1:9/" } };
  await catalog.put("effects", chain("effects", [call]));
  const received = chain("received", [sum]) as { nodes: { parameters: object }[] };
  received.nodes[0]!.parameters = { path: "received", responseMode: "onReceived" };
  await catalog.put("received", received);
  const nodes = received.nodes.map((node, i) =>
    i === 0 ? { ...node, parameters: { path: "kept", responseMode: "onReceived" } } : node
  );
  await catalog.put("kept", { ...received, name: "kept", nodes, settings: { fallback: true } });
}

/** Resolves when Redis has accepted the next execution. */
function nextAcceptance({ store: { log } }: Rig): Promise<void> {
  const { request } = log;
  return new Promise((resolve) => {
    log.request = async (...args) => {
      const outcome = await request.apply(log, args);
      resolve();
      return outcome;
    };
  });
}

test("webhooks go on in memory, say so, and are in Redis afterwards under their own ids", async () => {
  await using rig = await openRig();
  const { whole, store } = rig;
  await putWorkflows(whole);
  const before = await whole.app.request("/webhook/sum", post({ n: 1 }));
  assert.equal([before.status, before.headers.get("millrace-durability")], [200, null]);
  await rig.away();
  const response = await whole.app.request("/webhook/sum", post({ n: 1 }));
  assert.equal([response.status, response.headers.get("millrace-durability")], [200, "memory"]);
  assert.equal(await response.json(), { total: 2 });
  const id = response.headers.get("execution-id")!;
  assert.is((await whole.app.request("/readyz")).status, 200);
  // On a slow machine a check may take longer than it is given.
  const { health, status, checks } = await eventually(async () => {
    const health = await whole.app.request("/health");
    const shown = await json(health);
    return shown.status === "degraded" && { health, ...shown };
  }, "the instance goes on without Redis");
  assert.equal([health.status, status, checks.fallback.status, checks.fallback.executions], [
    200,
    "degraded",
    "active",
    1,
  ]);
  const during = await (await whole.app.request(`/api/executions/${id}/events`)).text();
  // By default only what can do no harm: no side effects, and a caller who waits.
  assert.is((await whole.app.request("/webhook/effects", post({}))).status, 503);
  assert.is((await whole.app.request("/webhook/received", post({ n: 1 }))).status, 503);
  const kept = await whole.app.request("/webhook/kept", post({ n: 2 }));
  assert.equal([kept.status, kept.headers.get("millrace-durability")], [200, "memory"]);
  await rig.back();
  assert.is((await store.log.meta(id))?.status, "completed");
  assert.is(await (await whole.app.request(`/api/executions/${id}/events`)).text(), during);
  assert.equal((await store.log.result(id))?.output, { total: 2 });
  const keptId = kept.headers.get("execution-id")!;
  await eventually(async () => (await store.log.meta(keptId))?.status === "completed", "what was received ends");
  await eventually(async () => (await json(await whole.app.request("/health"))).status === "up", "all is well");
});

test("what still runs when Redis is back goes on there, and its caller gets the answer", async () => {
  await using rig = await openRig();
  await using gates = await openGates();
  await putGated(rig.whole, gates, { name: "slow" });
  await rig.away();
  const called = Promise.resolve(rig.whole.app.request("/webhook/slow", post({ n: 4 })));
  await gates.reached("slow");
  assert.is(rig.fallback.health().executions, 1);
  await rig.back();
  gates.open("slow");
  const response = await called;
  assert.equal([response.status, await response.json()], [200, { total: 5 }]);
  const events = await rig.store.log.read(response.headers.get("execution-id")!);
  assert.equal(events.filter(({ type, node }) => type === "node.completed" && node === "sum").length, 1);
  assert.ok(events.filter(({ type }) => type === "execution.started").length >= 2);
});

test("who waits for what Redis had accepted is answered from memory, and that it ran twice is told", async () => {
  await using rig = await openRig();
  await using gates = await openGates();
  await putGated(rig.whole, gates, { name: "slow" });
  const isAccepted = nextAcceptance(rig);
  const called = Promise.resolve(rig.whole.app.request("/webhook/slow", post({ n: 7 })));
  await isAccepted;
  await rig.away();
  await eventually(() => rig.fallback.health().executions === 1, "it is in memory too");
  gates.open("slow");
  const response = await called;
  assert.equal([response.status, await response.json()], [200, { total: 8 }]);
  assert.is(response.headers.get("millrace-durability"), "memory");
  await rig.back();
  assert.is(rig.fallback.health().ranTwice, 1);
  const id = response.headers.get("execution-id");
  assert.ok(
    rig.told.some((line) =>
      "what" in line && line.what === "ran twice" && "executionId" in line && line.executionId === id
    ),
  );
  await eventually(async () => (await rig.store.log.meta(id!))?.status === "completed", "it ends in Redis too");
});

test("what Redis had accepted fails there where its deadline passes meanwhile; its caller has the answer of memory", async () => {
  await using rig = await openRig();
  await using gates = await openGates();
  await putGated(rig.whole, gates, { name: "short", timeoutSeconds: 24 });
  const isAccepted = nextAcceptance(rig);
  const called = Promise.resolve(rig.whole.app.request("/webhook/short", post({ n: 1 })));
  await isAccepted;
  const acceptedAt = performance.now();
  await rig.away();
  await eventually(() => rig.fallback.health().executions === 1, "it is in memory too");
  gates.open("short");
  const response = await called;
  const id = response.headers.get("execution-id")!;
  assert.equal([response.status, response.headers.get("millrace-durability")], [200, "memory"]);
  await pause(acceptedAt + 25_000 - performance.now());
  await rig.back();
  assert.is(rig.fallback.health().ranTwice, 1);
  await eventually(async () => (await rig.store.log.meta(id))?.status === "failed", "it fails in Redis");
});

test("an idempotency key that started one here and one there is reported", async () => {
  await using rig = await openRig();
  await putWorkflows(rig.whole);
  const call = async () => {
    const response = await rig.whole.app.request("/webhook/sum", post({ n: 1 }, { "idempotency-key": "k1" }));
    await response.text();
    return response.headers.get("execution-id")!;
  };
  const first = await call();
  assert.is(await call(), first);
  await rig.away();
  const second = await call();
  assert.is.not(second, first);
  assert.is(await call(), second);
  await rig.back();
  assert.is(rig.fallback.health().keysUsedTwice, 1);
  assert.ok(rig.told.some((line) => "other" in line && line.other === first));
  assert.is(await call(), first);
  assert.is((await rig.store.log.meta(second))?.status, "completed");
});

test("past its bounds the fallback refuses, and keeps what it has", async () => {
  await using rig = await openRig({ FALLBACK_EXECUTIONS: "3" });
  await putWorkflows(rig.whole);
  await rig.away();
  const statuses: number[] = [];
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) {
    const response = await rig.whole.app.request("/webhook/sum", post({ n }));
    statuses.push(response.status);
    if (response.status === 200) ids.push(response.headers.get("execution-id")!);
  }
  assert.equal(statuses, [200, 200, 200, 503, 503]);
  await rig.back();
  for (const id of ids) assert.is((await rig.store.log.meta(id))?.status, "completed");
});

test(`under load over an outage of ${OUTAGE_SECONDS} s no caller gets a 5xx, and every execution is in Redis`, async () => {
  await using rig = await openRig();
  await putWorkflows(rig.whole);
  const ids: string[] = [];
  const wrong: string[] = [];
  let mostBytes = 0;
  const stop = new AbortController();
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    for (let n = 0; !stop.signal.aborted; n++) {
      const response = await rig.whole.app.request("/webhook/sum", post({ n: caller * 1_000_000 + n }));
      const body = await response.text();
      if (response.status === 200) ids.push(response.headers.get("execution-id")!);
      else wrong.push(`${response.status} ${body}`);
      mostBytes = Math.max(mostBytes, rig.fallback.health().bytes);
      await pause(PACE_MS);
    }
  });
  await pause(500);
  await rig.away();
  await pause(OUTAGE_SECONDS * 1000);
  await eventually(() => mostBytes > 0, "a call is answered from memory");
  await rig.back();
  await pause(500);
  stop.abort();
  await Promise.all(callers);
  await rig.back();
  assert.equal(wrong, []);
  assert.ok(mostBytes > 0 && mostBytes <= 268_435_456, String(mostBytes));
  const missing: string[] = [];
  let failed = 0;
  const left = ids.values();
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    for (const id of left) {
      const ended = async () => {
        const meta = await rig.store.log.meta(id);
        return meta?.endedAt !== undefined && meta.status;
      };
      const status = await eventually(ended, id).catch(() => undefined);
      if (status === undefined) missing.push(id);
      else if (status !== "completed") failed++;
    }
  }));
  assert.equal(missing, []);
  // What Redis had accepted just before fails there if it is away past the deadline, though memory had the answer.
  const { ranTwice } = rig.fallback.health();
  assert.ok(failed <= (OUTAGE_SECONDS * 1000 < DEADLINE_MS ? 0 : ranTwice), `${failed} failed, ${ranTwice} ran twice`);
  console.log(
    `${ids.length} executions, at most ${mostBytes} bytes in memory, ${rig.fallback.health().ranTwice} ran twice`,
  );
});

test.run();
