/**
 * The command line of `npm run chaos`.
 */
import { parseArgs } from "node:util";
import { FAULT_NAMES, type FaultName, RECOVERY_MS } from "./faults.ts";
import { PLANT_NAMES, type PlantName, PLANTS } from "./plants.ts";
import { SCENE_NAMES, type SceneName } from "./scenes/scenes.ts";

/** What a round does. */
export type RoundName = FaultName | SceneName;

/** All that a round may do. */
export const ROUND_NAMES: readonly RoundName[] = [...FAULT_NAMES, ...SCENE_NAMES];

/** What to run. */
export interface ChaosOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly only: readonly RoundName[];
  readonly callers: number;
  /** Workflows of the load; all of some weight by default. */
  readonly kinds?: readonly string[];
  readonly partitions: number;
  readonly leaseSeconds: number | undefined;
  /** How far the clock of the first worker is ahead, and to where it steps. */
  readonly clock: { readonly skewMs: number; readonly stepMs: number } | undefined;
  /** Seconds within which work must flow again after a fault. */
  readonly within: number;
  readonly plant: PlantName | undefined;
  /** Seconds of the one long outage that is tried instead of rounds. */
  readonly outage: number | undefined;
  /** Try every plant, by chaos, by tests, or by both. */
  readonly mutations: "chaos" | "tests" | "both" | undefined;
  readonly plants: readonly PlantName[];
  readonly json: string | undefined;
  readonly logDir: string | undefined;
}

/** A flag that is wrong, in one line. */
export class OptionError extends Error {}

/** What `--help` prints. */
export const HELP = `Usage: npm run chaos -- [options]

Kills, stops and cuts off Redis and the instances one after the other, under load, and checks that every accepted
execution ended once, with one answer, in time. Exit code 1 on any breach.

  --rounds <n>      how many faults, default 300, without a limit where --seconds is given
  --seconds <n>     begin no round after this many seconds
  --seed <n>        order of faults and load, default: random, printed
  --only <faults>   only these, by commas; may be repeated:
${listOf(ROUND_NAMES)}
  --callers <n>     callers at once, default 24
  --partitions <n>  partitions, default 1
  --within <n>      seconds within which work must flow again after a fault, default 3; more on a busy machine
  --outage <n>      instead of rounds: one outage of Redis of this many seconds, and what it does to memory
  --plant <bug>     switch a known bug on, which must be found:
${listOf(PLANT_NAMES)}
  --mutations <by>  try the known bugs one after the other, by "chaos", by "tests" or by "both", and print what found
                    each; with --json what is known already is not tried again
  --plants <bugs>   only these, by commas
  --json <file>     write the sums there, as JSON
  --logs <folder>   keep what the instances print
  -h, --help        this text
`;

/** Reads the arguments. Returns `undefined` for `--help`; throws {@linkcode OptionError}. */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ChaosOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  if (env.REDIS_URL) throw new OptionError("REDIS_URL is set, but the Redis of this run is killed: unset it");
  const plant = oneOf(values.plant, PLANT_NAMES, "--plant");
  const scenario = plant === undefined ? undefined : PLANTS[plant];
  const names = (values.only ?? []).flatMap((list) => list.split(",")).map((name) => name.trim());
  const only = names.map((name) => oneOf(name, ROUND_NAMES, "--only")!);
  const seconds = number(values.seconds, "--seconds");
  const seed = number(values.seed, "--seed", { least: 0 });
  return {
    rounds: number(values.rounds, "--rounds") ?? scenario?.rounds ?? scenario?.only.length ??
      (seconds === undefined ? 300 : Infinity),
    seconds: seconds ?? Infinity,
    seed: seed ?? Math.floor(Math.random() * 1e6),
    only: only.length > 0 ? only : scenario?.only ?? ROUND_NAMES,
    callers: number(values.callers, "--callers", { least: 0 }) ?? (scenario === undefined ? 24 : scenario.callers ?? 0),
    partitions: number(values.partitions, "--partitions") ?? scenario?.partitions ?? 1,
    leaseSeconds: scenario?.leaseSeconds,
    clock: scenario?.clock,
    ...(scenario?.kinds === undefined ? {} : { kinds: scenario.kinds }),
    within: number(values.within, "--within") ?? RECOVERY_MS / 1000,
    plant,
    outage: number(values.outage, "--outage"),
    mutations: oneOf(values.mutations, ["chaos", "tests", "both"] as const, "--mutations"),
    plants: values.plants?.split(",").map((name) => oneOf(name.trim(), PLANT_NAMES, "--plants")!) ?? PLANT_NAMES,
    json: values.json,
    logDir: values.logs,
  };
}

/** Names in lines that fit below a flag. */
function listOf(names: readonly string[]): string {
  const lines = [""];
  for (const name of names) {
    if (lines.at(-1)!.length + name.length > 90) lines.push("");
    lines.push(`${lines.pop()}${name}, `);
  }
  return lines.map((line) => `${" ".repeat(20)}${line.trimEnd()}`).join("\n").replace(/,$/, "");
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string" },
        seconds: { type: "string" },
        seed: { type: "string" },
        only: { type: "string", multiple: true },
        callers: { type: "string" },
        partitions: { type: "string" },
        within: { type: "string" },
        outage: { type: "string" },
        plant: { type: "string" },
        mutations: { type: "string" },
        plants: { type: "string" },
        json: { type: "string" },
        logs: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new OptionError((error as Error).message.split(". ")[0]!);
  }
}

function number(
  text: string | undefined,
  flag: string,
  { least = 1 }: { least?: number } = {},
): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new OptionError(`${flag} must be a whole number from ${least} on, not "${text}"`);
}

function oneOf<T extends string>(text: string | undefined, names: readonly T[], flag: string): T | undefined {
  if (text === undefined || (names as readonly string[]).includes(text)) return text as T | undefined;
  throw new OptionError(`${flag} must be one of ${names.join(", ")}, not "${text}"`);
}
