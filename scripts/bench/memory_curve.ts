/**
 * What an execution takes of Redis's memory: while it runs, when it has ended, and when its time is over.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Curve, Ground } from "./curve.ts";
import { startMillrace } from "./millrace.ts";

/** So many executions at once, of which the middle is taken. */
const EXECUTIONS = 200;
/** How long each waits, and how long its result and log are kept after its end, in seconds. */
const WAIT_SECONDS = 5;
const KEPT_SECONDS = 5;
/** For sweeps and expiries to come round, in milliseconds. */
const SETTLED_MS = 2500;

const WORKFLOW = {
  settings: { saveExecutionToDatabase: false, resultTtlSeconds: KEPT_SECONDS },
  nodes: [
    { id: "hook", type: "webhook", parameters: { path: "memory", responseMode: "onReceived" } },
    { id: "wait", type: "delay", parameters: { seconds: WAIT_SECONDS } },
    { id: "reply", type: "httpResponse", parameters: { status: 201, body: { ok: true } } },
  ],
  connections: [{ from: "hook", to: "wait" }, { from: "wait", to: "reply" }],
};

/** Bytes in Redis for bodies of several sizes. */
export const memory: Curve = {
  name: "memory",
  title: "Bytes in Redis an execution that ran",
  x: "bytes of the body",
  charted: "ended",
  async *measure(ground) {
    for (const bytes of [100, 1_000, 10_000, 100_000]) {
      await using millrace = await startMillrace(ground);
      await millrace.put("memory", WORKFLOW);
      const body = JSON.stringify({ filler: "x".repeat(bytes - 13) });
      const before = await usage(ground, millrace.prefix);
      const statuses = await Promise.all(Array.from({ length: EXECUTIONS }, async () => {
        const headers = { "content-type": "application/json" };
        const response = await fetch(`${millrace.origin}/webhook/memory`, { method: "POST", headers, body });
        await response.body?.cancel();
        return response.status;
      }));
      await sleep(SETTLED_MS);
      const running = await usage(ground, millrace.prefix);
      await sleep(WAIT_SECONDS * 1000);
      const ended = await usage(ground, millrace.prefix);
      await sleep(KEPT_SECONDS * 1000 + SETTLED_MS);
      const over = await usage(ground, millrace.prefix);
      yield {
        x: bytes,
        lost: statuses.filter((status) => status !== 200).length,
        figures: {
          running: running.own / EXECUTIONS,
          ended: ended.own / EXECUTIONS,
          "after its time": over.own / EXECUTIONS,
          "in shared keys": (ended.shared - before.shared) / EXECUTIONS,
          "in shared keys after its time": (over.shared - before.shared) / EXECUTIONS,
        },
      };
    }
  },
};

/** Bytes of the keys that bear an execution's id, and of the others. */
async function usage({ stats: { connection } }: Ground, prefix: string): Promise<{ own: number; shared: number }> {
  const sums = { own: 0, shared: 0 };
  let cursor = "0";
  do {
    const [next, keys] = await connection.send<[string, string[]]>(
      ["SCAN", cursor, "MATCH", `${prefix}*`, "COUNT", "1000"],
    );
    cursor = next;
    const sizes = await Promise.all(
      keys.map((key) => connection.send<number | null>(["MEMORY", "USAGE", key, "SAMPLES", "0"])),
    );
    for (const [i, key] of keys.entries()) {
      const isOwn = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(key);
      sums[isOwn ? "own" : "shared"] += sizes[i] ?? 0;
    }
  } while (cursor !== "0");
  return sums;
}
