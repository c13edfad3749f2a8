/**
 * Measures contenders in interleaved rounds, so that other load of the machine affects all of them.
 */
import type { Contender, ContenderName } from "./contenders.ts";
import { drive, median, percentile } from "./load.ts";
import { cpuMicroseconds } from "./process.ts";
import type { RedisStats } from "./redis_stats.ts";

/** The figures of one contender at one number of callers: medians over the rounds. */
export interface Figures {
  readonly name: ContenderName;
  readonly callers: number;
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  /** Answers in all rounds. */
  readonly answered: number;
  /** Callers that got no answer or a wrong one, in all rounds. */
  readonly lost: number;
  readonly firstLoss?: string;
  /** Processor time an answer by process, in microseconds. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Redis's commands an answer, those inside scripts counted and the scripts themselves not. */
  readonly commands: number;
  /** Bytes that Redis read and wrote, an answer. */
  readonly bytes: number;
}

interface Round {
  readonly latencies: readonly number[];
  readonly rate: number;
  readonly lost: number;
  readonly firstLoss: string | undefined;
  readonly cpu: Record<string, number>;
  readonly commands: number;
  readonly bytes: number;
}

/** Measures each contender at one number of callers. */
export async function measureInTurns(
  contenders: readonly Contender[],
  options: { callers: number; seconds: number; rounds: number; stats: RedisStats; onRound?: (round: number) => void },
): Promise<Figures[]> {
  const { callers, seconds, rounds, stats, onRound } = options;
  const all = contenders.map((): Round[] => []);
  for (let round = 0; round < rounds; round++) {
    onRound?.(round + 1);
    for (const [i, contender] of contenders.entries()) {
      all[i]!.push(await measure(contender, { callers, seconds: seconds / rounds, stats }));
    }
  }
  return contenders.map(({ name }, i) => summarize(name, callers, all[i]!));
}

async function measure(
  { target, processes }: Contender,
  options: { callers: number; seconds: number; stats: RedisStats },
): Promise<Round> {
  const before = await options.stats.read();
  const cpuBefore = processes.map(({ pid }) => cpuMicroseconds(pid));
  const { latencies, lost, seconds, firstLoss } = await drive(target, options);
  const after = await options.stats.read();
  const each = Math.max(1, latencies.length);
  const cpu: Record<string, number> = { redis: (after.cpuMicroseconds - before.cpuMicroseconds) / each };
  for (const [i, { role, pid }] of processes.entries()) cpu[role] = (cpuMicroseconds(pid) - cpuBefore[i]!) / each;
  return {
    latencies: latencies.sort((a, b) => a - b),
    rate: latencies.length / seconds,
    lost,
    firstLoss,
    cpu,
    commands: (after.commands - before.commands) / each,
    bytes: (after.bytes - before.bytes) / each,
  };
}

function summarize(name: ContenderName, callers: number, rounds: readonly Round[]): Figures {
  const middle = (value: (round: Round) => number) => median(rounds.map(value));
  const at = (part: number) => middle(({ latencies }) => percentile(latencies, part));
  const firstLoss = rounds.find((round) => round.firstLoss !== undefined)?.firstLoss;
  const roles = Object.keys(rounds[0]?.cpu ?? {});
  return {
    name,
    callers,
    rate: middle(({ rate }) => rate),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    answered: rounds.reduce((sum, { latencies }) => sum + latencies.length, 0),
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
    ...(firstLoss === undefined ? {} : { firstLoss }),
    cpu: Object.fromEntries(roles.map((role) => [role, middle(({ cpu }) => cpu[role] ?? 0)])),
    commands: middle(({ commands }) => commands),
    bytes: middle(({ bytes }) => bytes),
  };
}
