/**
 * How many recorded executions a second a backtest runs through a draft, on a Redis of its own:
 * `node --import tsx scripts/bench/backtest.ts [executions]`, 1,000 by default.
 *
 * Half of them would change. It also counts what was called and what was written meanwhile, which must be nothing.
 */
import { argv, cpuUsage } from "node:process";
import { Backtester } from "../../src/engine/backtest.ts";
import { Worker } from "../../src/engine/worker.ts";
import { createSubmit } from "../../src/execution/submit.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import { startRedis } from "../redis.ts";

const count = Number(argv[2] ?? 1000);
let calls = 0;
const fetch = () => {
  calls++;
  return Promise.resolve(Response.json({ rate: 2 }));
};

function definition(total: string) {
  return {
    nodes: [
      { id: "start", type: "manual" },
      { id: "rate", type: "httpRequest", parameters: { url: "http://rates.test/{{ n }}" } },
      { id: "sum", type: "transform", parameters: { output: { total, n: "{{ $trigger.n }}" } } },
      { id: "reply", type: "httpResponse", parameters: { body: { total: "{{ total }}" } } },
    ],
    connections: [{ from: "start", to: "rate" }, { from: "rate", to: "sum" }, { from: "sum", to: "reply" }],
  };
}

await using redis = await startRedis({ json: false });
await using store = await openRedisStore({ url: redis.url, instance: "bench" });
const workflows = new WorkflowCatalog({ store: store.workflows, nodeTypes: createNodeTypes({ fetch }) });
await workflows.start();
const { workflow } = await workflows.put("bench", definition("{{ body.rate * $trigger.n }}"));
const worker = new Worker({ store, workflows, name: "bench", concurrency: 64, outputLimitBytes: 1_000_000 });
worker.start();
const submit = createSubmit({ ...store, historyTtlSeconds: 3600 });
const ids: string[] = [];
for (let n = 0; n < count; n += 50) {
  const batch = Array.from({ length: Math.min(50, count - n) }, (_, index) => n + index);
  ids.push(
    ...await Promise.all(batch.map(async (n) => {
      const { executionId, reply } = await submit({
        workflow,
        trigger: "start",
        input: { n },
        wait: { timeoutMs: 60_000 },
      });
      await reply;
      return executionId;
    })),
  );
}
await worker.stop();

/** How many writes the server has run. */
async function writes(): Promise<number> {
  const { createClient } = await import("redis");
  const client = createClient({ url: redis.url });
  await client.connect();
  const info = await client.info("commandstats");
  await client.close();
  return [...info.matchAll(/^cmdstat_(?:xadd|hset|zadd|evalsha|eval|del|unlink|expire|set):calls=(\d+)/gm)]
    .reduce((sum, [, calls]) => sum + Number(calls), 0);
}

const backtester = new Backtester({ log: store.log, workflows, outputLimitBytes: 1_000_000 });
const before = { calls, writes: await writes() };
const startedAt = performance.now();
const cpu = cpuUsage();
const changed: string[] = [];
let summary: unknown;
const draft = definition("{{ body.rate * $trigger.n + ($trigger.n % 2) }}");
const { signal } = new AbortController();
for await (
  const item of await backtester.start({ workflowId: "bench", definition: draft, executions: ids, signal })
) {
  if ("summary" in item) summary = item.summary;
  else if (item.execution.outcome === "changed") changed.push(item.execution.executionId);
}
const seconds = (performance.now() - startedAt) / 1000;
const { user, system } = cpuUsage(cpu);
const expected = ids.filter((_, n) => n % 2 === 1);
console.log(summary);
console.log(`${count} executions in ${seconds.toFixed(2)} s: ${Math.round(count / seconds)} a second`);
console.log(`processor time: ${((user + system) / 1000 / count).toFixed(2)} ms an execution`);
console.log(`the right ones named: ${JSON.stringify(changed) === JSON.stringify(expected)}`);
console.log(`calls meanwhile: ${calls - before.calls}; writes meanwhile: ${await writes() - before.writes}`);
