/**
 * Growth of what waits: callers for their answers, followers for events.
 */
import { Pool } from "undici";
import { setTimeout as sleep } from "node:timers/promises";
import type { Curve, Ground, Point } from "./curve.ts";
import { percentile } from "./load.ts";
import { type Millrace, startMillrace } from "./millrace.ts";

/** Wait of the workflow, in seconds: long enough for all callers to be connected, and their executions accepted. */
const waitSeconds = (callers: number) => 12 + callers / 200;
/** Time after the last caller's request at which memory is measured: it is accepted then, and waits. In milliseconds. */
const SETTLED_MS = 6000;

const waiting = (path: string, seconds: number) => ({
  settings: { saveExecutionToDatabase: false },
  nodes: [
    { id: "hook", type: "webhook", parameters: { path, timeoutSeconds: 120 } },
    { id: "wait", type: "delay", parameters: { seconds } },
    { id: "reply", type: "httpResponse", parameters: { status: 201, body: "{{ $trigger.body.n }}" } },
  ],
  connections: [{ from: "hook", to: "wait" }, { from: "wait", to: "reply" }],
});

/** Callers that wait at once on one instance. */
export const callers: Curve = {
  name: "callers",
  title: "Heap a waiting caller",
  x: "waiting callers",
  charted: "KB a caller",
  async *measure(ground) {
    for (const count of [1, 10, 100, 1000, 5000]) yield await waitTogether(ground, count);
  },
};

/** So many callers who all wait for executions of some seconds. */
export async function waitTogether(ground: Ground, count: number): Promise<Point> {
  await using millrace = await startMillrace({ ...ground, env: { MAX_WAITERS: "20000" } });
  const seconds = waitSeconds(count);
  await millrace.put("waiting", waiting("waiting", seconds));
  await using pool = poolOf(millrace, count);
  await call(pool, -1, "warm");
  const before = await millrace.memory();
  const latencies: number[] = [];
  let lost = 0;
  const startedAt = performance.now();
  const calls = Array.from({ length: count }, async (_, n) => {
    try {
      await call(pool, n, "waiting");
      latencies.push(performance.now() - startedAt - seconds * 1000);
    } catch (error) {
      if (lost++ === 0) ground.note(`lost: call ${n}: ${(error as Error).message.slice(0, 300)}`);
    }
  });
  const until = startedAt + seconds * 1000 - SETTLED_MS;
  while (await millrace.waiters() < count && performance.now() < until) await sleep(100);
  await sleep(SETTLED_MS);
  const during = await millrace.memory();
  await Promise.all(calls);
  latencies.sort((a, b) => a - b);
  return {
    x: count,
    lost,
    figures: {
      "KB a caller": Math.max(0, during - before) / count / 1024,
      "p50 ms past the wait": percentile(latencies, 0.5),
      "p99 ms past the wait": percentile(latencies, 0.99),
    },
  };
}

function poolOf(millrace: Millrace, connections: number): Pool & AsyncDisposable {
  const pool = new Pool(millrace.origin, {
    connections,
    pipelining: 1,
    connectTimeout: 60_000,
    headersTimeout: 120_000,
  });
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.close() });
}

async function call(pool: Pool, n: number, kind: "warm" | "waiting"): Promise<void> {
  const { statusCode, body } = await pool.request({
    method: "POST",
    path: "/webhook/waiting",
    headers: { "content-type": "application/json", ...(kind === "warm" ? { prefer: "respond-async" } : {}) },
    body: JSON.stringify({ n }),
  });
  const text = await body.text();
  if (kind === "waiting" && (statusCode !== 201 || text !== String(n))) throw new Error(`${statusCode} ${text}`);
}

/** Followers of one execution by Server-Sent Events. */
export const followers: Curve = {
  name: "followers",
  title: "Heap a follower",
  x: "followers of one execution",
  charted: "KB a follower",
  async *measure(ground) {
    for (const count of [1, 10, 100, 500, 2000]) yield await followTogether(ground, count);
  },
};

async function followTogether(ground: Ground, count: number): Promise<Point> {
  await using millrace = await startMillrace({ ...ground, env: { MAX_FOLLOWERS: "10000" } });
  await millrace.put("waiting", waiting("waiting", waitSeconds(count)));
  const started = await fetch(`${millrace.origin}/webhook/waiting`, {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "respond-async" },
    body: '{"n":1}',
  });
  const { executionId } = await started.json() as { executionId: string };
  const before = await millrace.memory();
  await using pool = poolOf(millrace, count);
  const path = `/api/executions/${executionId}/events`;
  const ends: number[] = [];
  const follows = Array.from({ length: count }, async () => {
    const { body } = await pool.request({ method: "GET", path, headers: { accept: "text/event-stream" } });
    let text = "";
    for await (const chunk of body.setEncoding("utf8")) text += chunk;
    if (text.includes("event: execution.completed")) ends.push(performance.now());
  });
  await sleep(SETTLED_MS);
  const during = await millrace.memory();
  await Promise.allSettled(follows);
  ends.sort((a, b) => a - b);
  return {
    x: count,
    lost: count - ends.length,
    figures: {
      "KB a follower": Math.max(0, during - before) / count / 1024,
      "first to last ms": (ends.at(-1) ?? NaN) - (ends[0] ?? NaN),
    },
  };
}
