/**
 * The command line of what is measured and proven by commands of its own: whole numbers, switches and `--help`.
 *
 * @example
 * ```ts
 * const { schedules, "kill-every": killEvery } = readFlags(HELP, { schedules: 1000, "kill-every": 8 }, {
 *   least: { "kill-every": 0 },
 * });
 * ```
 */
import { parseArgs } from "node:util";

/** What besides numbers of at least 1 a command takes. */
export interface FlagOptions<N extends string, S extends string> {
  /** The least value of a number, 1 by default. */
  readonly least?: Partial<Readonly<Record<N, number>>>;
  /** Flags without a value. */
  readonly switches?: readonly S[];
}

/** Numbers and switches by name. */
export type Flags<N extends string, S extends string> = Record<N, number> & Record<S, boolean>;

/** Reads the arguments; `undefined` for `--help`. Throws an error whose message names the flag. */
export function parseFlags<N extends string, S extends string = never>(
  args: readonly string[],
  defaults: Readonly<Record<N, number>>,
  { least = {}, switches = [] }: FlagOptions<N, S> = {},
): Flags<N, S> | undefined {
  const names = Object.keys(defaults) as N[];
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
      ...Object.fromEntries(switches.map((name) => [name, { type: "boolean" as const }])),
      help: { type: "boolean", short: "h" },
    },
  });
  const given = values as Record<string, string | boolean | undefined>;
  if (given["help"]) return undefined;
  const flags: Record<string, number | boolean> = {};
  for (const name of names) {
    const value = given[name] === undefined ? defaults[name] : Number(given[name]);
    const from = least[name] ?? 1;
    if (!Number.isSafeInteger(value) || value < from || given[name] === "") {
      throw new Error(`--${name} must be a whole number from ${from} on, not "${given[name]}"`);
    }
    flags[name] = value;
  }
  for (const name of switches) flags[name] = given[name] === true;
  return flags as Flags<N, S>;
}

/** Reads this process's arguments. Ends it after `--help`, and with 2 after one line about a flag that is wrong. */
export function readFlags<N extends string, S extends string = never>(
  help: string,
  defaults: Readonly<Record<N, number>>,
  options: FlagOptions<N, S> = {},
): Flags<N, S> {
  try {
    const flags = parseFlags(process.argv.slice(2), defaults, options);
    if (flags !== undefined) return flags;
    console.log(help);
  } catch (error) {
    console.error(`${(error as Error).message.split("\n", 1)[0]} (see --help)`);
    process.exit(2);
  }
  process.exit(0);
}
