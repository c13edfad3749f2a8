/**
 * How many recorded executions a second a backtest runs through a draft, on a Redis of its own:
 * `node --import tsx scripts/bench/backtest.ts [executions] [rounds]`, 1,000 and 3 by default.
 *
 * Half of them would change. It also counts what was called meanwhile, which must be nothing; and it reads as a user of
 * Redis that may not write, so that a try to would fail, and be counted.
 */
import { argv, cpuUsage } from "node:process";
import { createClient } from "redis";
import { Backtester } from "../../src/engine/backtest.ts";
import { Worker } from "../../src/engine/worker.ts";
import { createSubmit } from "../../src/execution/submit.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import type { ReadOptions } from "../../src/execution/log.ts";
import { decodeMeta, META_FIELDS } from "../../src/storage/redis/codec.ts";
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../src/storage/redis/keys.ts";
import { LogReader } from "../../src/storage/redis/log_reader.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import { startRedis } from "../redis.ts";

const count = Number(argv[2] ?? 1000);
const rounds = Number(argv[3] ?? 3);
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

/** The user by which the backtest reads may do nothing else. */
const reader = await createClient({ url: redis.url }).connect();
await reader.sendCommand([
  "ACL",
  "SETUSER",
  "reader",
  "reset",
  "on",
  "nopass",
  "~*",
  "+@read",
  "+@connection",
  "+ping",
]);
const url = redis.url.replace("//", "//reader:any@");
const keys = new Keys();
const connection = await RedisConnection.open({ url });
const logs = new LogReader({ keys, connection });
const log = {
  pages: (id: string, options: ReadOptions) => logs.pages(id, options),
  meta: async (id: string) =>
    decodeMeta(id, await connection.send<(string | null)[]>(["HMGET", keys.meta(id), ...META_FIELDS])),
};
const backtester = new Backtester({ log, workflows, outputLimitBytes: 1_000_000 });
const draft = definition("{{ body.rate * $trigger.n + ($trigger.n % 2) }}");
const expected = JSON.stringify(ids.filter((_, n) => n % 2 === 1));
const before = calls;
let right = true;
for (let round = 1; round <= rounds; round++) {
  const startedAt = performance.now();
  const cpu = cpuUsage();
  const changed: string[] = [];
  let summary: unknown;
  const { signal } = new AbortController();
  for await (
    const item of await backtester.start({ workflowId: "bench", definition: draft, executions: ids, signal })
  ) {
    if ("summary" in item) summary = item.summary;
    else if (item.execution.outcome === "changed") changed.push(item.execution.executionId);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = cpuUsage(cpu);
  if (round === 1) console.log(summary);
  right &&= JSON.stringify(changed) === expected;
  console.log(
    `round ${round}: ${count} executions in ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} a second; ` +
      `processor time ${((user + system) / 1000 / count).toFixed(2)} ms an execution`,
  );
}
const refused = await reader.sendCommand(["ACL", "LOG"]) as unknown[];
console.log(`the right ones named: ${right}`);
console.log(`calls meanwhile: ${calls - before}; tries to write: ${refused.length}`);
connection.close();
reader.destroy();
if (!right || calls > before || refused.length > 0) process.exitCode = 1;
