/**
 * One long outage of Redis under load, and its effect on memory, callers and accepted executions.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "./cluster.ts";
import { RECOVERY_MS } from "./faults.ts";
import { findLeaks } from "./leaks.ts";
import { Load } from "./load.ts";
import type { Member } from "./member.ts";
import type { ChaosOptions } from "./options.ts";
import { Probes } from "./probes.ts";
import { Random } from "./random.ts";
import { recover } from "./recovery.ts";
import { Report } from "./report.ts";
import { Verifier } from "./verifier.ts";
import { KINDS } from "./workflows.ts";

/** How long the load runs before and after, so that like is compared with like, in milliseconds. */
const STEADY_MS = 30_000;
const AFTER_MS = 20_000;
/** How much more memory an instance may have afterwards. */
const MOST_GROWTH = 0.1;
/** Over how many samples, one every half second, memory is told. */
const SAMPLES = 9;

/** Runs the outage that `options.outage` names. */
export async function runOutage(options: ChaosOptions, say: (line: string) => void): Promise<Report> {
  const { logDir, callers, seed } = options;
  const outageMs = options.outage! * 1000;
  const random = new Random(seed);
  const report = new Report({ seed, say });
  await using cluster = await Cluster.start({ logDir, collects: true });
  const kinds = KINDS.filter(({ weight }) => weight > 0);
  const budgetMs = outageMs + 30_000;
  const load = new Load({ targets: cluster.serving, kinds, callers, random: random.fork(), budgetMs });
  const verifier = new Verifier(cluster, load);
  load.start();
  const probes = new Probes(load, { targets: cluster.serving, random: random.fork() });
  try {
    say(`steady load for ${STEADY_MS / 1000} s`);
    await sleep(STEADY_MS);
    const before = await memory(cluster.members);
    const startedAt = Date.now();
    await cluster.redis.kill();
    say(`Redis is away for ${options.outage} s`);
    await sleep(outageMs / 2);
    const during = await memory(cluster.members);
    await sleep(Math.max(0, startedAt + outageMs - Date.now()));
    await cluster.redis.restart();
    verifier.cutOffUntil = Date.now() + RECOVERY_MS;
    const window = { target: "redis", startedAt, since: Date.now(), boundMs: RECOVERY_MS };
    const { worstMs, breaches } = await recover({ cluster, load, probes }, window);
    report.executions = load.count;
    report.addRound({ fault: "outage", target: "redis", recoveryMs: worstMs, breaches });
    await sleep(AFTER_MS);
    const after = await memory(cluster.members);
    for (const [i, { name }] of cluster.members.entries()) {
      const growth = after[i]! / before[i]! - 1;
      say(`${name}: ${megabytes(before[i]!)} before, ${megabytes(during[i]!)} during, ${megabytes(after[i]!)} after`);
      if (growth <= MOST_GROWTH) continue;
      report.add([{ kind: "leaked", detail: `memory of ${name} grew by ${Math.round(growth * 100)} %` }]);
    }
  } finally {
    await Promise.all([probes.stop(), load.stop()]);
  }
  await sleep(5000);
  report.add(await verifier.check(Infinity, { final: true }));
  report.executions = verifier.executions;
  report.add(await findLeaks(cluster, { filesBefore: new Map(), settleMs: 10_000 }));
  return report;
}

/** What each instance holds, in bytes: the median of what was left after collecting its garbage. */
async function memory(members: readonly Member[]): Promise<number[]> {
  const samples: number[][] = members.map(() => []);
  for (let i = 0; i < SAMPLES; i++) {
    for (const member of members) member.collect();
    await sleep(50);
    const now = await Promise.all(members.map(heldBy));
    for (const [j, bytes] of now.entries()) samples[j]!.push(bytes);
    await sleep(450);
  }
  return samples.map((each) => each.sort((a, b) => a - b)[Math.floor(SAMPLES / 2)]!);
}

async function heldBy(member: Member): Promise<number> {
  return await member.metric("nodejs_heap_size_used_bytes") + await member.metric("nodejs_external_memory_bytes");
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
