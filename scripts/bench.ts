/**
 * Measures Millrace's round trip against the bare streams' in one run: `npm run bench`.
 *
 * Both stand behind the same HTTP front, each with front and worker in two processes, on one Redis that this command
 * starts. Rounds alternate, so that whatever else the machine does falls on both.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Pool } from "undici";
import { findRedisServer, startRedis } from "./redis.ts";

const HELP = `Usage: npm run bench -- [options]

  --seconds <n>   how long each measurement takes in all, default 10
  --rounds <n>    into how many alternating rounds it is cut, default 5
  --callers <n>   callers at once for the throughput, default 64
  --json          print the figures as JSON
  -h, --help      this text
`;

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
    callers: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** The runtime of the container image. It runs TypeScript as it stands, so nothing is built and nothing renamed. */
const NODE = fileURLToPath(new URL("../node_modules/node24/bin/node", import.meta.url));
const BODY = JSON.stringify({ items: [{ price: 2, quantity: 3 }, { price: 5, quantity: 1 }] });
const WORKFLOW = {
  name: "Three pure nodes",
  settings: { saveExecutionToDatabase: false },
  nodes: [
    { id: "hook", type: "webhook", parameters: { path: "bench", method: "POST", responseMode: "lastNode" } },
    { id: "sum", type: "transform", parameters: { output: { total: "{{ $sum(body.items.(price * quantity)) }}" } } },
    { id: "reply", type: "httpResponse", parameters: { status: 201, body: { ok: true, total: "{{ total }}" } } },
  ],
  connections: [{ from: "hook", to: "sum" }, { from: "sum", to: "reply" }],
};

interface Target {
  readonly name: string;
  readonly origin: string;
  readonly path: string;
  readonly status: number;
}

interface Measured {
  /** Milliseconds, sorted. */
  readonly latencies: number[];
  failed: number;
  seconds: number;
}

if (options.help) console.log(HELP);
else await bench();

async function bench(): Promise<void> {
  const seconds = number("seconds");
  const rounds = number("rounds");
  const callers = number("callers");
  const children: ChildProcess[] = [];
  const server = await findRedisServer();
  await using redis = await startRedis({ json: server.json });
  try {
    const env = { ...process.env, REDIS_URL: redis.url, LOG_LEVEL: "warn", PORT: "0", DRAIN_SECONDS: "0" };
    const http = await start(["src/main.ts"], { ...env, ROLES: "http" }, children);
    await start(["src/main.ts"], { ...env, ROLES: "worker,assembler,scheduler" }, children);
    await start(["scripts/bench_echo.ts", "back"], env, children);
    const echo = await start(["scripts/bench_echo.ts", "front"], env, children);
    await fetch(`${http}/api/workflows/bench`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(WORKFLOW),
    });
    const targets: Target[] = [
      { name: "bare streams", origin: echo, path: "/echo", status: 200 },
      { name: "millrace", origin: http, path: "/webhook/bench", status: 201 },
    ];
    const redisVersion = server.description;
    note(
      `Node ${
        execFileSync(NODE, ["--version"], { encoding: "utf8" }).trim()
      }, ${redisVersion}, ${cpus().length} cores (${cpus()[0]?.model}), Linux ${release()}`,
    );
    for (const target of targets) await measure(target, { callers: 8, seconds: 2 });
    const one = await alternate(targets, { callers: 1, seconds, rounds });
    const many = await alternate(targets, { callers, seconds, rounds });
    report({ one, many, callers });
  } finally {
    for (const child of children) child.kill("SIGTERM");
  }
}

/** Measures each target in turns. */
async function alternate(
  targets: readonly Target[],
  options: { callers: number; seconds: number; rounds: number },
): Promise<Measured[]> {
  const totals = targets.map((): Measured => ({ latencies: [], failed: 0, seconds: 0 }));
  for (let round = 0; round < options.rounds; round++) {
    note(`${options.callers} ${options.callers === 1 ? "caller" : "callers"}, round ${round + 1} of ${options.rounds}`);
    for (const [i, target] of targets.entries()) {
      const part = await measure(target, { callers: options.callers, seconds: options.seconds / options.rounds });
      totals[i]!.latencies.push(...part.latencies);
      totals[i]!.failed += part.failed;
      totals[i]!.seconds += part.seconds;
    }
  }
  for (const total of totals) total.latencies.sort((a, b) => a - b);
  return totals;
}

async function measure(target: Target, options: { callers: number; seconds: number }): Promise<Measured> {
  const pool = new Pool(target.origin, { connections: options.callers, pipelining: 1 });
  const measured: Measured = { latencies: [], failed: 0, seconds: 0 };
  const startedAt = performance.now();
  const until = startedAt + options.seconds * 1000;
  const headers = { "content-type": "application/json" };
  await Promise.all(Array.from({ length: options.callers }, async () => {
    while (performance.now() < until) {
      const sentAt = performance.now();
      const { statusCode, body } = await pool.request({ method: "POST", path: target.path, headers, body: BODY });
      await body.text();
      measured.latencies.push(performance.now() - sentAt);
      if (statusCode !== target.status) measured.failed++;
    }
  }));
  measured.seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  return measured;
}

function report({ one, many, callers }: { one: Measured[]; many: Measured[]; callers: number }): void {
  const rows = ["bare streams", "millrace"].map((name, i) => ({
    name,
    p50: percentile(one[i]!, 0.5),
    p99: percentile(one[i]!, 0.99),
    rate: many[i]!.latencies.length / many[i]!.seconds,
    manyP50: percentile(many[i]!, 0.5),
    manyP99: percentile(many[i]!, 0.99),
    failed: one[i]!.failed + many[i]!.failed,
  }));
  const [bare, millrace] = [rows[0]!, rows[1]!];
  const ratio = { p50: millrace.p50 / bare.p50, rate: millrace.rate / bare.rate };
  if (options.json) return console.log(JSON.stringify({ rows, ratio }));
  console.log(`
| | p50, 1 caller | p99, 1 caller | requests/s, ${callers} callers | p50, ${callers} callers | p99, ${callers} callers | wrong answers |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |`);
  for (const row of rows) {
    const ms = (value: number) => `${value.toFixed(2)} ms`;
    const cells = [ms(row.p50), ms(row.p99), row.rate.toFixed(0), ms(row.manyP50), ms(row.manyP99), row.failed];
    console.log(`| ${row.name} | ${cells.join(" | ")} |`);
  }
  console.log(
    `\nmillrace takes ${ratio.p50.toFixed(2)} times the bare streams' median and gives ${
      ratio.rate.toFixed(2)
    } of their rate`,
  );
}

function percentile({ latencies }: Measured, part: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? NaN;
}

/** Starts a process of this repository and resolves with the address that it prints, or with its line. */
function start(args: string[], env: NodeJS.ProcessEnv, children: ChildProcess[]): Promise<string> {
  const child = spawn(NODE, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with code ${code} before it was ready`)));
    child.stdout!.once("data", (data: Uint8Array) => {
      const line = new TextDecoder().decode(data).trim();
      resolve(/http:\S+/.exec(line)?.[0] ?? line);
    });
    child.stdout!.resume();
  });
}

function number(name: "seconds" | "rounds" | "callers"): number {
  const value = Number(options[name]);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`bench: --${name} must be a number above 0, not "${options[name]}"`);
  process.exit(2);
}

function note(line: string): void {
  if (!options.json) console.error(line);
}
