/**
 * How soon the progress of an execution reaches `GET /api/workflow-state/<id>`: `node --import tsx
 * scripts/state_delay.ts [--executions 50] [--rate 100] [--seconds 10]`.
 *
 * One instance, a Redis of its own, and executions that this program reports, in turn. After each report it asks until
 * the answer has it; the time counts from the event's own, which is Redis's clock on the same machine, to the end of
 * that answer. Ends with 1 when the slowest took 100 ms or more.
 */
import { post, startInstance } from "../tests/end_to_end/instance.ts";
import { percentile } from "./bench/load.ts";
import { readFlags } from "./flags.ts";
import { startRedis } from "./redis.ts";

const MOST_MS = 100;

const HELP = `Usage: node --import tsx scripts/state_delay.ts [options]

Measures how soon the progress of an execution reaches GET /api/workflow-state/<id>. Exit code 1 when the slowest took
${MOST_MS} ms or more.

  --executions <n>   that are reported in turn [50]
  --rate <n>         events a second [100]
  --seconds <n>      [10]
  -h, --help         this text
`;

const { executions, rate, seconds } = readFlags(HELP, { executions: 50, rate: 100, seconds: 10 });

await using redis = await startRedis({ json: true });
await using instance = await startInstance({ REDIS_URL: redis.url, LOG_LEVEL: "error" });
const { url } = instance;

async function call(
  path: string,
  body?: object,
): Promise<{ executionId: string; state: { data: unknown; updatedAt: number } }> {
  const response = body === undefined ? await fetch(`${url}${path}`) : await post(`${url}${path}`, body);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return await response.json();
}

const delaysMs: number[] = [];
let asked = 0;

/** Reports one event and asks until it is to be seen. */
async function measure(id: string, n: number): Promise<void> {
  await call(`/api/executions/${id}/events`, { type: "progress", completedSteps: n, data: { n } });
  for (;;) {
    asked++;
    const { state } = await call(`/api/workflow-state/${id}`);
    if ((state.data as { n?: number }).n !== n) continue;
    delaysMs.push(Date.now() - state.updatedAt);
    return;
  }
}

const ids: string[] = [];
for (let n = 0; n < executions; n++) {
  const { executionId } = await call("/api/executions", { workflowId: "measured", timeoutSeconds: 3600 });
  await call(`/api/executions/${executionId}/events`, { type: "started", totalSteps: 1_000_000 });
  ids.push(executionId);
}
/** What is under way of each: one event after the other. */
const last = new Map<string, Promise<void>>();
const until = performance.now() + seconds * 1000;
for (let n = 0, dueAt = performance.now(); performance.now() < until; n++, dueAt += 1000 / rate) {
  const id = ids[n % ids.length]!;
  last.set(id, (last.get(id) ?? Promise.resolve()).then(() => measure(id, n)));
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt + 1000 / rate - performance.now())));
}
await Promise.all(last.values());

const sorted = delaysMs.toSorted((a, b) => a - b);
const figures = [0.5, 0.95, 0.99, 1].map((part) => `${percentile(sorted, part)} ms`);
console.log(`${sorted.length} events of ${executions} executions, ${rate} a second; asked ${asked} times`);
console.log(
  `from an event to the answer that has it: p50 ${figures[0]}, p95 ${figures[1]}, p99 ${figures[2]}, max ${figures[3]}`,
);
if (sorted.at(-1)! >= MOST_MS) process.exitCode = 1;
