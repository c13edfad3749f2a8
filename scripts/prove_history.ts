/**
 * Proves the history: `npm run prove:history -- --executions 100000 --rows 1000000`.
 *
 * 1. Executions are run on a Redis of their own while nobody archives; then two instances archive them, which are killed
 *    again and again, and so is PostgreSQL. Each must be in the database once, event for event as Redis has it.
 * 2. One instance archives as many without faults: executions a second.
 * 3. Pages of a list of so many rows: the median.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "../src/engine/worker.ts";
import { createSubmit } from "../src/execution/submit.ts";
import { createNodeTypes } from "../src/nodes/registry.ts";
import { openArchive } from "../src/storage/postgres/archive.ts";
import { openRedisStore } from "../src/storage/redis/store.ts";
import { WorkflowCatalog } from "../src/workflow/catalog.ts";
import { readFlags } from "./flags.ts";
import { findPostgres, startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import pg from "pg";

const HELP = `Usage: npm run prove:history -- [options]

Archives executions while the archivers and PostgreSQL are killed again and again, and compares what the database then has
with Redis, event for event; measures archiving without faults, and pages of a long list. Exit code 1 on any difference.

  --executions <n>   [100000]
  --rows <n>         of the list [1000000]
  -h, --help         this text
`;

const { executions: count, rows } = readFlags(HELP, { executions: 100_000, rows: 1_000_000 });
const signal = new AbortController().signal;
const found = await findPostgres();
if ("reason" in found) throw new Error(`No PostgreSQL: ${found.reason}`);
await using postgres = await startPostgres(found, { durable: true });
await using redis = await startRedis({ json: false });
const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

const nodes = [
  { id: "start", type: "webhook", parameters: { path: "proof" } },
  { id: "sum", type: "transform", parameters: { output: { total: "{{ body.n }}", text: "{{ body.text }}" } } },
];
const definition = { name: "proof", nodes, connections: [{ from: "start", to: "sum" }] };

/** Runs so many executions under a prefix; their ids. */
async function run(prefix: string): Promise<string[]> {
  await using store = await openRedisStore({ url: redis.url, prefix, instance: "maker", feedBacklogSeconds: 86_400 });
  const catalog = new WorkflowCatalog({ store: store.workflows, nodeTypes: createNodeTypes({ fetch }) });
  await catalog.start();
  const { workflow } = await catalog.put("proof", definition);
  const worker = new Worker({ store, workflows: catalog, name: "maker", concurrency: 256, outputLimitBytes: 2 ** 20 });
  worker.start();
  const submit = createSubmit({ ...store, historyTtlSeconds: 86_400 });
  const ids: string[] = [];
  let n = 0;
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (n < count) {
      const input = { body: { n: n++, text: "x".repeat(400) } };
      const { executionId, reply } = await submit({ workflow, trigger: "start", input, wait: { timeoutMs: 60_000 } });
      await reply;
      ids.push(executionId);
    }
  }));
  await worker.stop();
  return ids;
}

/** An instance that archives, and when it has come up. */
interface ArchiverProcess {
  readonly child: ChildProcess;
  readonly up: Promise<unknown>;
}

/** Starts an instance that archives. */
function archiver(prefix: string, database: string): ArchiverProcess {
  const child = spawn(process.execPath, ["--import", "tsx", "src/main.ts"], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {
      PATH: process.env.PATH ?? "",
      PORT: "0",
      ROLES: "assembler",
      LOG_LEVEL: "silent",
      REDIS_URL: redis.url,
      REDIS_PREFIX: prefix,
      DATABASE_URL: database,
    },
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const up = new Promise((resolve) => child.stdout!.once("data", resolve).once("close", resolve).resume());
  return { child, up };
}

async function makeDatabase(name: string): Promise<string> {
  await query(postgres.url, `CREATE DATABASE ${name}`);
  return postgres.url.replace(/postgres$/, name);
}

async function query(url: string, text: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Waits until so many are archived; how long it took, in seconds. */
async function archived(url: string, since = performance.now()): Promise<number> {
  for (;;) {
    const [row] = await query(url, "SELECT count(*) AS n FROM millrace.executions").catch(() => []);
    if (Number(row?.n) >= count) return (performance.now() - since) / 1000;
    await sleep(100);
  }
}

console.log(`Running ${count} executions of the first part`);
const ids = await run("proof-1:");
const first = await makeDatabase("first");
const stop = new AbortController();
let kills = 0;
const victims = [archiver("proof-1:", first), archiver("proof-1:", first)];
const killing = (async () => {
  while (!stop.signal.aborted) {
    await sleep(1500 + Math.random() * 1500);
    if (stop.signal.aborted) return;
    const which = Math.floor(Math.random() * 3);
    kills++;
    if (which === 2) {
      await postgres.kill();
      await postgres.start();
    } else {
      // On a slow machine nothing would ever run otherwise.
      await victims[which]!.up;
      victims[which]!.child.kill("SIGKILL");
      victims[which] = archiver("proof-1:", first);
    }
  }
})();
await archived(first);
stop.abort();
await killing;
for (const { child } of victims) child.kill("SIGKILL");

let different = 0;
{
  await using store = await openRedisStore({ url: redis.url, prefix: "proof-1:", instance: "reader" });
  await using archive = openArchive({ url: first, instance: "reader", historyDays: 30 });
  await archive.whenReady({ timeoutMs: 60_000, signal });
  for (const id of ids) {
    const there = await store.log.read(id);
    const here = [];
    for await (const page of archive.pages(id)) here.push(...page);
    if (there.length === 0 || JSON.stringify(there) !== JSON.stringify(here)) different++;
  }
}
const [row] = await query(
  first,
  "SELECT count(*) AS n, (SELECT sum(completed) FROM millrace.hourly) AS counted FROM millrace.executions",
);
console.log(
  `${ids.length} executions, ${row!.n} archived, ${row!.counted} counted, ${different} different, ${kills} kills`,
);

console.log(`Running ${count} executions of the second part`);
await run("proof-2:");
const second = await makeDatabase("second");
const { child } = archiver("proof-2:", second);
while (true) {
  const [begun] = await query(second, "SELECT count(*) AS n FROM millrace.executions").catch(() => []);
  if (Number(begun?.n) > 0) break;
  await sleep(5);
}
const seconds = await archived(second);
child.kill("SIGKILL");
console.log(`${Math.round(count / seconds)} executions/s archived by one instance`);

await query(
  second,
  `INSERT INTO millrace.executions (id, workflow_id, version, status, requested_at, ended_at)
   SELECT (lpad(to_hex(now_ms + n % 1000), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
     'w' || n % 50, 1, CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END, now_ms, now_ms + 5
   FROM generate_series(1, ${rows}) n, (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms) t
   ON CONFLICT DO NOTHING`,
);
await query(second, "ANALYZE millrace.executions");
await using archive = openArchive({ url: second, instance: "reader", historyDays: 30 });
await archive.whenReady({ timeoutMs: 60_000, signal });
for (
  const filter of [{}, { workflowId: "w7" }, { status: "failed" }, { workflowId: "w7", status: "completed" }] as const
) {
  const times: number[] = [];
  let cursor: string | undefined;
  for (let i = 0; i < 200; i++) {
    const at = performance.now();
    const page = await archive.list({ limit: 50, ...filter, ...(cursor && { cursor }) });
    times.push(performance.now() - at);
    cursor = page.nextCursor;
  }
  times.sort((a, b) => a - b);
  console.log(`A page of ${rows} rows, ${JSON.stringify(filter)}: median ${times[100]!.toFixed(1)} ms`);
}
const failed = different > 0 || Number(row!.n) !== ids.length || Number(row!.counted) !== ids.length;
process.exit(failed ? 1 : 0);
