/**
 * What every command has in common: its arguments, its help, and one-line errors in place of stack traces.
 *
 * @example
 * ```ts
 * export const hello = command({
 *   name: "hello",
 *   summary: "Greets a server",
 *   help: "Usage: millrace hello <name>",
 *   async run({ positionals: [name] }, { api, context }) {
 *     context.print(`${name}: ${(await api.call("GET", "/health")).status}`);
 *     return 0;
 *   },
 * });
 * process.exitCode = await hello.run(["Ada"], { env, print: console.log, printError: console.error, fetch });
 * ```
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { ApiCallError, type ApiClient, type CommandContext, createApiClient, UsageError } from "./api_client.ts";

/** Options as `parseArgs` takes them. */
export type OptionSpecs = NonNullable<ParseArgsConfig["options"]>;

/** A command as the table has it. */
export interface Command {
  readonly name: string;
  /** What it does, in a line of `millrace --help`. */
  readonly summary: string;
  /**
   * Runs it. Its exit code: 0; 1 for what a script may branch on, such as an execution that failed; 2 when the
   * arguments make no command; where the server did not do what was asked, the command's own {@linkcode CommandSpec.trouble}.
   */
  run(args: readonly string[], context: CommandContext): Promise<number>;
}

/** What parsed options come to. */
export type OptionValues<Options extends OptionSpecs> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Options }>
>["values"];

/** What a command is run with. */
export interface Arguments<Options extends OptionSpecs> {
  readonly values: OptionValues<Options>;
  readonly positionals: readonly string[];
  /** Print what the server answers, as JSON. */
  readonly json: boolean;
}

/** What a command works with. */
export interface Tools {
  readonly api: ApiClient;
  readonly context: CommandContext;
}

/** What {@linkcode command} takes. */
export interface CommandSpec<Options extends OptionSpecs> {
  readonly name: string;
  readonly summary: string;
  /** Usage and options of its own; the options that all commands have are added. */
  readonly help: string;
  readonly options?: Options;
  /** Its exit code where the server did not do what was asked; default 2, the same as for wrong arguments. */
  readonly trouble?: 1 | 2;
  run(args: Arguments<Options>, tools: Tools): Promise<number>;
}

const COMMON = {
  json: { type: "boolean", default: false },
  url: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} satisfies OptionSpecs;

const COMMON_HELP = `  --json        Print what the server answers, as JSON
  --url <url>   The server; by default MILLRACE_URL, else http://127.0.0.1:PORT
  -h, --help    Print this and exit

MILLRACE_TOKEN, or else the first of API_TOKENS, is sent as the bearer token.`;

/** Makes a command. */
export function command<const Options extends OptionSpecs>(spec: CommandSpec<Options>): Command {
  const { name, summary, help, options, trouble = 2 } = spec;

  async function run(args: readonly string[], context: CommandContext): Promise<number> {
    try {
      const { values, positionals } = parse(args, { ...options, ...COMMON });
      const { json, url, help: asked } = values as OptionValues<typeof COMMON>;
      if (asked) {
        context.print(`${help}\n${/^Options:$/m.test(help) ? "" : "\nOptions:\n"}${COMMON_HELP}`);
        return 0;
      }
      if (url === "") throw new UsageError("Expected a URL after --url");
      const api = createApiClient({ ...context, url });
      return await spec.run({ values: values as OptionValues<Options>, positionals, json }, { api, context });
    } catch (error) {
      if (error instanceof UsageError) {
        context.printError(`millrace ${name}: ${error.message}; see millrace ${name} --help`);
        return 2;
      }
      if (!(error instanceof ApiCallError)) throw error;
      context.printError(`millrace ${name}: ${error.message}`);
      return trouble;
    }
  }
  return { name, summary, run };
}

function parse(args: readonly string[], options: OptionSpecs) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    const { message } = error as Error;
    if (message.startsWith("Option '--url")) throw new UsageError("Expected a URL after --url");
    throw new UsageError(message.split(". ")[0]!.replaceAll("'", '"'));
  }
}

/** The one argument that a command takes, which is `what`. Throws {@linkcode UsageError} for none and for more. */
export function onlyArgument(positionals: readonly string[], what: string): string {
  return exactArguments(positionals, [what])[0]!;
}

/** The arguments that a command takes, each described. Throws {@linkcode UsageError} for fewer and for more. */
export function exactArguments(positionals: readonly string[], what: readonly string[]): readonly string[] {
  const missing = what[positionals.filter((text) => text !== "").length];
  if (missing !== undefined) throw new UsageError(`Expected ${missing}`);
  const extra = positionals[what.length];
  if (extra !== undefined) throw new UsageError(`Unknown argument "${extra}"`);
  return positionals;
}

/** JSON for people and for scripts. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
