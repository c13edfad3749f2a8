/**
 * Holds schedules to what they promise while schedulers are killed: `node --import tsx scripts/prove_schedules.ts --help`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { NODE, startProcess } from "./bench/process.ts";
import { readFlags } from "./flags.ts";
import { startRedis } from "./redis.ts";

const HELP = `Usage: npm run prove:schedules -- [options]

Starts a Redis, several schedulers and a worker, and stores workflows that run every second; kills a scheduler again and
again, starts another in its place, and then holds the logs against the clock: each time was started once, none early.
Exit code 1 when one was not, or twice. How late they were is shown, and judged by nobody.

  --schedules <n>    workflows with one schedule each, default 1000
  --seconds <n>      how long it goes on, default 60
  --schedulers <n>   default 3
  --kill-every <n>   seconds between two kills, default 8; 0 kills nobody
  -h, --help         this text
`;

/** How long what is missing is waited for, and what may come a second time, in milliseconds. */
const MADE_UP_MS = 120_000;
const AGAIN_MS = 2000;

const WORKFLOW = {
  name: "tick",
  settings: { concurrency: 1000, onOverlap: "queue", resultTtlSeconds: 600 },
  nodes: [
    { id: "clock", type: "schedule", parameters: { everySeconds: 1, catchUp: "all" } },
    { id: "end", type: "transform", parameters: { output: "{{ scheduledAt }}" } },
  ],
  connections: [{ from: "clock", to: "end" }],
};

const flags = readFlags(HELP, { schedules: 1000, seconds: 60, schedulers: 3, "kill-every": 8 }, {
  least: { seconds: 5, "kill-every": 0 },
});
process.exitCode = await prove(flags);

async function prove({ schedules, seconds, schedulers, "kill-every": killEvery }: typeof flags): Promise<number> {
  await using redis = await startRedis({ json: true });
  const { PATH = "", HOME = "" } = process.env;
  const start = (role: string, roles: string) =>
    startProcess(role, ["src/main.ts"], {
      env: { PATH, HOME, PORT: "0", REDIS_URL: redis.url, ROLES: roles, LOG_LEVEL: "warn", DRAIN_SECONDS: "1" },
    });
  const startScheduler = () => start("scheduler", "scheduler");
  const front = await start("front", "http,worker,assembler");
  const clocks = new Set(await Promise.all(Array.from({ length: schedulers }, startScheduler)));
  // On a slow machine this may go on when all is judged.
  const replacements: Promise<void>[] = [];
  try {
    note(`Node ${process.version} drives, ${NODE.split("/").at(-3)} runs; Redis ${redis.version}`);
    note(`storing ${schedules} workflows`);
    for (let i = 0; i < schedules; i++) await put(front.url, `tick-${i}`);
    await untilListed(front.url, schedules);
    const from = Date.now();
    for (let second = 1; second <= seconds; second++) {
      await sleep(from + second * 1000 - Date.now());
      if (second % 10 === 0) note(`${second} s`);
      if (killEvery === 0 || second % killEvery !== 0 || second > seconds - 7) continue;
      const [longest] = clocks;
      if (longest === undefined) continue;
      clocks.delete(longest);
      process.kill(longest.pid, "SIGKILL");
      const replace = async () => void clocks.add(await startScheduler());
      replacements.push(replace().catch((error) => note(String(error))));
    }
    const to = Date.now();
    note("waiting until what was killed last is made up for");
    return await judge(redis.url, { schedules, from, to });
  } finally {
    await Promise.all(replacements);
    await Promise.all([front, ...clocks].map((one) => one[Symbol.asyncDispose]()));
  }
}

async function put(url: string, id: string): Promise<void> {
  const response = await fetch(`${url}/api/workflows/${id}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(WORKFLOW),
  });
  if (!response.ok) throw new Error(`PUT ${id}: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
}

/** Waits until a scheduler has every schedule: it hears of workflows a little later. */
async function untilListed(url: string, schedules: number): Promise<void> {
  interface Page {
    readonly schedules: readonly unknown[];
    readonly nextCursor?: string;
  }
  for (;; await sleep(200)) {
    let listed = 0;
    let cursor: string | undefined = "";
    while (cursor !== undefined) {
      const response = await fetch(`${url}/api/schedules?limit=500&cursor=${encodeURIComponent(cursor)}`);
      const page = await response.json() as Page;
      listed += page.schedules.length;
      cursor = page.nextCursor;
    }
    if (listed >= schedules) return;
  }
}

interface Span {
  readonly schedules: number;
  readonly from: number;
  readonly to: number;
}

/** Looks until nothing is missing, and once more for what comes twice; at most for as long as no machine needs. */
async function judge(url: string, span: Span): Promise<number> {
  const until = Date.now() + MADE_UP_MS;
  let seen = await look(url, span);
  while (seen.missing > 0 && Date.now() < until) {
    await sleep(500);
    seen = await look(url, span);
  }
  await sleep(AGAIN_MS);
  const { lateness, missing, twice, early } = await look(url, span);
  const at = (part: number) => lateness[Math.min(lateness.length - 1, Math.floor(part * lateness.length))] ?? 0;
  console.log(`
| times started | missing | twice | early | late p50 | p90 | p99 | worst |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| ${lateness.length} | ${missing} | ${twice} | ${early} | ${at(0.5)} ms | ${at(0.9)} ms | ${at(0.99)} ms | ${at(1)} ms |
`);
  return missing + twice + early > 0 || lateness.length === 0 ? 1 : 0;
}

/** Reads every log, and holds what was requested against what should have been. */
async function look(url: string, span: Span) {
  const client = createClient({ url });
  await client.connect();
  const starts = new Map<string, number[]>();
  const lateness: number[] = [];
  let early = 0;
  for await (const names of client.scanIterator({ MATCH: "mr:*:log:*", COUNT: 1000 })) {
    const firsts = await Promise.all(names.map((name) => client.xRange(name, "-", "+", { COUNT: 1 })));
    for (const entries of firsts) {
      const [entry] = entries ?? [];
      const { workflowId, input } = JSON.parse(entry!.message["data"]!);
      const requestedAt = Number(entry!.message["time"]);
      if (input.scheduledAt < span.from || input.scheduledAt > span.to) continue;
      starts.set(workflowId, [...starts.get(workflowId) ?? [], input.scheduledAt]);
      lateness.push(requestedAt - input.scheduledAt);
      if (requestedAt < input.scheduledAt) early++;
    }
  }
  client.destroy();
  let missing = 0;
  let twice = 0;
  for (let i = 0; i < span.schedules; i++) {
    const times = (starts.get(`tick-${i}`) ?? []).sort((a, b) => a - b);
    const [first = span.from] = times;
    // All of a schedule's times are a second apart.
    const phase = first % 1000;
    const expected = Math.floor((span.to - phase) / 1000) - Math.ceil((span.from - phase) / 1000) + 1;
    const different = new Set(times).size;
    missing += Math.max(0, expected - different);
    twice += times.length - different;
  }
  return { lateness: lateness.sort((a, b) => a - b), missing, twice, early };
}

function note(line: string): void {
  console.error(line);
}
