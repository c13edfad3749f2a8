/**
 * The command line of `npm run bench`.
 */
import { parseArgs } from "node:util";

/** How Redis writes its append-only file; `off`: it has none. */
export type Appendfsync = "off" | "no" | "everysec" | "always";

/** What to measure. */
export interface BenchOptions {
  /** Callers at once, a measurement each. */
  readonly callers: readonly number[];
  /** Seconds that each contender is measured at each number of callers, all rounds together. */
  readonly seconds: number;
  /** Into how many interleaved rounds these seconds are cut. */
  readonly rounds: number;
  /** Contenders by name; all of them by default. */
  readonly only: readonly string[];
  readonly appendfsync: Appendfsync;
  /** Where the figures are written as JSON. */
  readonly json: string | undefined;
  /** Where the chart is written. */
  readonly svg: string | undefined;
  /** Small sizes: whether it works. */
  readonly short: boolean;
  /** What is claimed, claim by claim, instead of the comparison. */
  readonly claims: boolean;
  /** Growth curves instead of the comparison: their names, or all. */
  readonly growth: readonly string[] | undefined;
}

/** A flag that is wrong, in one line. */
export class OptionError extends Error {}

/** What `--help` prints. */
export function helpText(names: { contenders: readonly string[]; curves: readonly string[] }): string {
  return `Usage: npm run bench -- [options]

Measures Millrace and what people use instead of it, on identical work behind an identical HTTP front, each in processes
of its own on a Redis that this command starts. Rounds are interleaved, so that whatever else the machine does falls on
all of them. Exit code 1 when a caller got no answer or a wrong one.

  --callers <list>      callers at once, by commas, default 1,16,64,256,1000
  --seconds <n>         how long each measurement takes, all rounds together, default 10
  --rounds <n>          into how many interleaved rounds it is cut, default 5
  --only <contenders>   by commas: ${names.contenders.join(", ")}
  --appendfsync <how>   off (the default), no, everysec or always: how Redis writes its append-only file
  --growth [curve]      growth curves instead: ${names.curves.join(", ")}; all by default
  --claims              what the README claims instead, each with what was measured and whether it is met: ten minutes
  --short               16 callers, 1 second, 2 rounds: does it still answer everybody
  --json <file>         write the figures there, default scripts/bench/results.json, growth.json or claims.json
  --svg <file>          write the chart there, default scripts/bench/results.svg or growth.svg
  -h, --help            this text
`;
}

/** Reads the arguments; `undefined` for `--help`. Throws {@linkcode OptionError}. */
export function readOptions(
  args: readonly string[],
  names: { contenders: readonly string[]; curves: readonly string[] },
): BenchOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const { short, growth, claims } = values;
  if (!growth && positionals.length > 0) throw new OptionError(`Unknown argument "${positionals[0]}": see --help`);
  const file = growth ? "growth" : claims ? "claims" : "results";
  const callers = (values.callers ?? (short ? "16" : "1,16,64,256,1000")).split(",")
    .map((text) => wholeNumber(text.trim(), "--callers"));
  return {
    callers,
    short,
    claims,
    seconds: wholeNumber(values.seconds ?? (short ? "1" : "10"), "--seconds"),
    rounds: wholeNumber(values.rounds ?? (short ? "2" : "5"), "--rounds"),
    only: choose(values.only === undefined ? [] : values.only.split(","), names.contenders, "--only"),
    appendfsync: choose([values.appendfsync], ["off", "no", "everysec", "always"], "--appendfsync")[0] as Appendfsync,
    json: values.json ?? (short ? undefined : `scripts/bench/${file}.json`),
    svg: values.svg ?? (short ? undefined : `scripts/bench/${file}.svg`),
    growth: growth ? choose(positionals, names.curves, "--growth") : undefined,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        callers: { type: "string" },
        seconds: { type: "string" },
        rounds: { type: "string" },
        only: { type: "string" },
        appendfsync: { type: "string", default: "off" },
        claims: { type: "boolean", default: false },
        growth: { type: "boolean", default: false },
        short: { type: "boolean", default: false },
        json: { type: "string" },
        svg: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new OptionError((error as Error).message.split(". ")[0]!);
  }
}

function wholeNumber(text: string, flag: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) >= 1) return Number(text);
  throw new OptionError(`${flag} must be whole numbers from 1 on, not "${text}"`);
}

/** The words, each of which must be one of `known`; all that are known when there are none. */
function choose(words: readonly string[], known: readonly string[], flag: string): readonly string[] {
  const chosen = words.map((word) => word.trim()).filter((word) => word !== "");
  for (const word of chosen) {
    if (!known.includes(word)) throw new OptionError(`${flag} must be one of ${known.join(", ")}, not "${word}"`);
  }
  return chosen.length > 0 ? chosen : known;
}
