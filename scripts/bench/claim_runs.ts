/**
 * Measures what is claimed, one after the other, in about ten minutes.
 */
import { startRedis } from "../redis.ts";
import { type Claim, comparisonClaims, MANY, nodeClaims, ONE } from "./claims.ts";
import { type Contender, type ContenderName, isOurs, startContender } from "./contenders.ts";
import { drive, median, type Target, warmUp } from "./load.ts";
import { benchTarget, grown, grownTarget } from "./load_curves.ts";
import { type Millrace, startMillrace } from "./millrace.ts";
import { RedisStats } from "./redis_stats.ts";
import { type Figures, measureInTurns } from "./rounds.ts";
import { waitTogether } from "./waiting_curves.ts";
import { WORKFLOW } from "./work.ts";

/** How much is measured. */
export interface ClaimSizes {
  readonly rounds: number;
  /** Next to no load before the measurement. */
  readonly short: boolean;
  /** Of each contender in a round. */
  readonly secondsARound: number;
  /** How many answers in a row must not be lost, and how long that may take. */
  readonly answers: number;
  readonly answerSeconds: number;
  readonly waitingCallers: number;
  readonly storedExecutions: number;
}

/** What stands in the README. */
export const FULL: ClaimSizes = {
  short: false,
  rounds: 7,
  secondsARound: 2,
  answers: 1_000_000,
  answerSeconds: 240,
  waitingCallers: 5_000,
  storedExecutions: 200_000,
};

/** Whether it works. */
export const SHORT: ClaimSizes = {
  short: true,
  rounds: 2,
  secondsARound: 1,
  answers: 2_000,
  answerSeconds: 5,
  waitingCallers: 200,
  storedExecutions: 2_000,
};

/** What was measured. */
export interface ClaimRun {
  readonly figures: readonly Figures[];
  readonly claims: readonly Claim[];
  /** Answers that Millrace lost, in all of it. */
  readonly lost: number;
}

const CONTENDERS: readonly ContenderName[] = ["echo", "millrace", "long", "bullmq", "polling"];
/** Nodes of the chains between which a node's cost is taken: about the tenth, and about the hundredth. */
const CHAINS = [5, 25, 85, 125] as const;

/** Measures all. */
export async function measureClaims(
  sizes: ClaimSizes,
  { args, note }: { args: readonly string[]; note: (line: string) => void },
): Promise<ClaimRun> {
  const parts = [compare, growNodes, waitAtOnce, store];
  const runs: ClaimRun[] = [];
  for (const part of parts) runs.push(await part(sizes, { args, note }));
  return {
    figures: runs.flatMap(({ figures }) => figures),
    claims: runs.flatMap(({ claims }) => claims),
    lost: runs.reduce((sum, { lost }) => sum + lost, 0),
  };
}

interface Means {
  /** Of `redis-server`. */
  readonly args: readonly string[];
  readonly note: (line: string) => void;
}

/** Contenders in turns, and then so many answers of the short way in a row. */
async function compare(sizes: ClaimSizes, { args, note }: Means): Promise<ClaimRun> {
  await using redis = await startRedis({ json: true, args });
  using stats = await RedisStats.open(redis);
  const contenders: Contender[] = [];
  try {
    for (const name of CONTENDERS) contenders.push(await startContender(name, { redisUrl: redis.url }));
    note("warming up");
    for (const { target } of contenders) await warmUp(target, sizes);
    const figures: Figures[] = [];
    // One caller first: what many leave behind is forgotten a minute later, and would be in that one's way.
    for (const [callers, part] of [[ONE, 0.5], [MANY, 1]] as const) {
      const { rounds, secondsARound } = sizes;
      const onRound = (round: number) => note(`${callers} callers, round ${round} of ${rounds}`);
      const seconds = rounds * secondsARound * part;
      figures.push(...await measureInTurns(contenders, { callers, seconds, rounds, stats, onRound }));
    }
    const { target } = contenders.find(({ name }) => name === "millrace")!;
    note(`${sizes.answers.toLocaleString("en")} answers in a row, for ${sizes.answerSeconds} s at most`);
    const many = await drive(target, { callers: MANY, seconds: sizes.answerSeconds, answers: sizes.answers });
    const answered = many.latencies.length.toLocaleString("en");
    const text = `lost answers in ${answered}, ${MANY} callers`;
    const ours = figures.filter(({ name }) => isOurs(name));
    return {
      figures,
      claims: [...comparisonClaims(figures), { text, measured: many.lost, bound: { most: 0 } }],
      lost: ours.reduce((sum, { lost }) => sum + lost, many.lost),
    };
  } finally {
    await Promise.all(contenders.map((contender) => contender[Symbol.asyncDispose]()));
  }
}

/** Chains of several lengths in turns. */
async function growNodes(sizes: ClaimSizes, { args, note }: Means): Promise<ClaimRun> {
  await using redis = await startRedis({ json: true, args });
  using stats = await RedisStats.open(redis);
  await using millrace = await startMillrace({ redisUrl: redis.url });
  for (const n of CHAINS) await millrace.put(`chain${n}`, grown("chain", n));
  const costs: number[][] = CHAINS.map(() => []);
  let lost = 0;
  const cpu = async () => millrace.cpu() + (await stats.read()).cpuMicroseconds;
  for (let round = -1; round < sizes.rounds; round++) {
    if (round >= 0) note(`chains of ${CHAINS.join(", ")} nodes, round ${round + 1} of ${sizes.rounds}`);
    for (const [i, n] of CHAINS.entries()) {
      const before = await cpu();
      const load = await drive(grownTarget(millrace.origin, "chain", n), { callers: 16, seconds: sizes.secondsARound });
      lost += load.lost;
      // The round before the first warms up.
      if (round >= 0) costs[i]!.push((await cpu() - before) / Math.max(1, load.latencies.length));
    }
  }
  const [a, b, c, d] = CHAINS.map((nodes, i) => ({ nodes, cpuMicroseconds: median(costs[i]!) }));
  return { figures: [], claims: nodeClaims([a!, b!, c!, d!]), lost };
}

/** Callers who all wait at the same time. */
async function waitAtOnce({ waitingCallers }: ClaimSizes, { args, note }: Means): Promise<ClaimRun> {
  note(`${waitingCallers} callers wait at once`);
  await using redis = await startRedis({ json: true, args });
  using stats = await RedisStats.open(redis);
  const { figures, lost } = await waitTogether({ redisUrl: redis.url, stats, seconds: 1, note }, waitingCallers);
  const callers = `${waitingCallers.toLocaleString("en")} callers waiting on one instance`;
  return {
    figures: [],
    claims: [
      { text: `${callers}: lost answers`, measured: lost, bound: { most: 0 } },
      { text: `${callers}: heap each`, measured: figures["KB a caller"]!, bound: { most: 20 }, unit: " KB" },
    ],
    lost,
  };
}

/** Two Redis servers in turns, one with many stored executions. */
async function store(sizes: ClaimSizes, { args, note }: Means): Promise<ClaimRun> {
  await using empty = await startRedis({ json: true, args });
  await using full = await startRedis({ json: true, args });
  await using beside = await startBench(empty.url);
  await using millrace = await startBench(full.url);
  await millrace.put("saved", {
    ...WORKFLOW,
    nodes: WORKFLOW.nodes.map((node) =>
      node.id === "hook" ? { ...node, parameters: { ...node.parameters, path: "saved" } } : node
    ),
    settings: { saveExecutionToDatabase: true },
  });
  const saving: Target = { ...benchTarget(millrace.origin), path: "/webhook/saved" };
  let lost = 0;
  let stored = 0;
  while (stored < sizes.storedExecutions) {
    note(`${stored} of ${sizes.storedExecutions} stored`);
    const load = await drive(saving, { callers: MANY, seconds: 10, answers: sizes.storedExecutions - stored });
    stored += load.latencies.length;
    lost += load.lost;
  }
  const targets = [beside, millrace].map(({ origin }) => benchTarget(origin));
  const rates: number[][] = [[], []];
  for (let round = -1; round < sizes.rounds; round++) {
    for (const [i, target] of targets.entries()) {
      const load = await drive(target, { callers: MANY, seconds: sizes.secondsARound });
      lost += load.lost;
      if (round >= 0) rates[i]!.push(load.latencies.length / load.seconds);
    }
  }
  const [without, within] = rates.map(median);
  const text = `requests/s with ${
    sizes.storedExecutions.toLocaleString("en")
  } stored executions, part of those with none`;
  return { figures: [], claims: [{ text, measured: within! / without!, bound: { least: 0.95 } }], lost };
}

async function startBench(redisUrl: string): Promise<Millrace> {
  const millrace = await startMillrace({ redisUrl });
  await millrace.put("bench", WORKFLOW);
  return millrace;
}
