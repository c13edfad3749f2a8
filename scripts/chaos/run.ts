/**
 * A run: rounds of one fault each under a load that does not stop, and the checks after each and at the end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "./cluster.ts";
import type { Breach } from "./breach.ts";
import { type FaultName, FAULTS, type FaultWindow, RECOVERY_MS } from "./faults.ts";
import { findTimers } from "./keyspace.ts";
import { countFiles, findLeaks } from "./leaks.ts";
import { Load } from "./load.ts";
import type { ChaosOptions, RoundName } from "./options.ts";
import { paced, watchPace } from "./pace.ts";
import { Probes } from "./probes.ts";
import { Random } from "./random.ts";
import { recover, type Stage } from "./recovery.ts";
import { Report } from "./report.ts";
import { Actor } from "./scenes/actor.ts";
import { ALONE, play, type SceneName, SCENES } from "./scenes/scenes.ts";
import { Verifier } from "./verifier.ts";
import { KINDS } from "./workflows.ts";

/** How long a call is tried again, in milliseconds. */
const BUDGET_MS = 30_000;
/** To where the first worker's clock steps, in milliseconds. */
const STEP_MS = -60_000;
/** How long the load runs before the first fault, and what has not ended gets at the end, in milliseconds. */
const WARM_UP_MS = 1000;
const SETTLE_MS = 20_000;
const PLANT_SETTLE_MS = 6000;
/** How long what is held may take to be let go, in milliseconds: an assembler takes over another's after 30 s. */
const LEAK_MS = 45_000;
const PLANT_LEAK_MS = 4000;
/** How long a scene waits for what must come, as a multiple of what recovery may take. */
const SCENE_FACTOR = 4;

/** Runs until the rounds or the seconds are over; with a plant, until the first breach. */
export async function run(options: ChaosOptions, say: (line: string) => void): Promise<Report> {
  const { plant, logDir, callers, seed } = options;
  using _pace = watchPace();
  const random = new Random(seed);
  const report = new Report({ seed, say });
  const { partitions, leaseSeconds, only } = options;
  const steps = only.includes("step-clock") ? { skewMs: 0, stepMs: STEP_MS } : undefined;
  const { clock = steps } = options;
  await using cluster = await Cluster.start({ plant, logDir, partitions, leaseSeconds, clock });
  const filesBefore = await countFiles(cluster.members);
  const kinds = KINDS.filter(({ id, weight }) => options.kinds?.includes(id) ?? weight > 0);
  const load = new Load({ targets: cluster.serving, kinds, callers, random: random.fork(), budgetMs: BUDGET_MS });
  const verifier = new Verifier(cluster, load);
  load.start();
  const probes = new Probes(load, { targets: callers > 0 ? cluster.serving : [], random: random.fork() });
  const stage: Stage = { cluster, load, probes };
  try {
    await sleep(WARM_UP_MS);
    await playRounds(stage, { options, random, report, verifier });
  } finally {
    // A planted bug that has shown leaves callers without an answer: they need not be waited for.
    await Promise.all([load.stop({ now: plant !== undefined && !report.isClean }), probes.stop()]);
  }
  await settle(cluster, plant === undefined ? SETTLE_MS : PLANT_SETTLE_MS);
  report.add(await verifier.check(Infinity, { final: true }));
  report.executions = verifier.executions;
  if (plant !== undefined && !report.isClean) return report;
  report.add(await findLeaks(cluster, { filesBefore, settleMs: plant === undefined ? LEAK_MS : PLANT_LEAK_MS }));
  return report;
}

async function playRounds(
  stage: Stage,
  parts: { options: ChaosOptions; random: Random; report: Report; verifier: Verifier },
): Promise<void> {
  const { options, random, report, verifier } = parts;
  const begun = [Date.now(), Date.now()];
  let order: ChaosOptions["only"] = [];
  while (report.rounds < options.rounds && report.tookMs < options.seconds * 1000) {
    if (order.length === 0) order = random.shuffle(options.only);
    const [fault, ...rest] = order;
    order = rest;
    begun.push(Date.now());
    await sleep(random.between(200, 600));
    const { found: seen = [], ...window } = await harm(fault!, stage, { random, within: options.within });
    const boundMs = window.boundMs + options.within * 1000 - RECOVERY_MS;
    const idle = { worstMs: 0, breaches: [] };
    const { worstMs, breaches } = options.callers > 0 ? await recover(stage, { ...window, boundMs }) : idle;
    report.add(seen);
    await stage.cluster.repair();
    // What is two rounds old can no longer change; what a fault that is over may still do to it has been done.
    const found = await verifier.check(begun.at(-2)!);
    report.executions = verifier.executions;
    report.addRound({ fault: fault!, target: window.target, recoveryMs: worstMs, breaches });
    report.add(found);
    if (options.plant !== undefined && !report.isClean) return;
  }
}

/** Does the harm of a fault, or plays a scene. */
async function harm(
  name: RoundName,
  { cluster, load }: Pick<Stage, "cluster" | "load">,
  { random, within }: { random: Random; within: number },
): Promise<FaultWindow & { found?: readonly Breach[] }> {
  if (!(name in SCENES)) return await FAULTS[name as FaultName](cluster, random);
  const startedAt = Date.now();
  const actor = new Actor(name, { cluster, random, timeoutMs: paced(SCENE_FACTOR * within * 1000) });
  if (ALONE.has(name)) await load.hold();
  const found = await play(name as SceneName, actor);
  load.goOn();
  return { target: "scene", startedAt, since: Date.now(), boundMs: cluster.leaseMs + RECOVERY_MS, found };
}

/** Waits until nothing is queued any more, at most for as long as that may take. */
async function settle({ redis, keys }: Cluster, forMs: number): Promise<void> {
  const streams = keys.each((partition) => keys.work(partition));
  for (const from = Date.now(); Date.now() - from < paced(forMs); await sleep(100)) {
    const lengths = await Promise.all(streams.map((stream) => redis.send<number>("XLEN", stream)));
    if (lengths.every((length) => length === 0) && (await findTimers(redis, keys)).length === 0) break;
  }
  await sleep(500);
}
