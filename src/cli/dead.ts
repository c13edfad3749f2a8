/**
 * `millrace dead`: looks at dead letters, starts them anew and drops them, over the API of a running server.
 *
 * @example
 * ```ts
 * process.exitCode = await runDead(["list"], { env, print: console.log, printError: console.error, fetch });
 * ```
 */
import { parseArgs } from "node:util";
import type { DeadLetter } from "../execution/dead_letters.ts";
import { ApiCallError, type ApiClient, type CommandContext, createApiClient, UsageError } from "./api_client.ts";
import { formatTable } from "./table.ts";

const HELP = `Usage: millrace dead list
       millrace dead show <execution id>
       millrace dead requeue <execution id>
       millrace dead drop <execution id>

Dead letters are executions that were given up because they ended MAX_DELIVERIES workers, one after the other.

  list       All of them, newest first
  show       One, with the input of its trigger, as JSON
  requeue    Starts the newest version of its workflow with the same input, and drops the dead letter
  drop       Forgets one

Options:
  --json        Print what the server answers, as JSON
  --url <url>   The server; by default MILLRACE_URL, else http://127.0.0.1:PORT
  -h, --help    Print this and exit

The first of API_TOKENS is sent as the bearer token.`;

/** The most that one page of the list has. */
const PAGE = 500;

const ACTIONS = ["list", "show", "requeue", "drop"] as const;

interface Command {
  readonly action: (typeof ACTIONS)[number];
  /** The execution's id; empty for `list`. */
  readonly id: string;
  readonly json: boolean;
  /** The server's, where it is named. */
  readonly url: string | undefined;
}

/** Runs the command. Its exit code: 0, 1 when the server did not do it, 2 when the arguments make no command. */
export async function runDead(args: readonly string[], context: CommandContext): Promise<number> {
  const { print, printError } = context;
  try {
    const command = parse(args);
    if (command === "help") print(HELP);
    else await run(command, createApiClient({ ...context, url: command.url }), print);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      printError(`millrace dead: ${error.message}; see millrace dead --help`);
      return 2;
    }
    if (!(error instanceof ApiCallError)) throw error;
    printError(`millrace dead: ${error.message}`);
    return 1;
  }
}

async function run({ action, id, json }: Command, api: ApiClient, print: (line: string) => void): Promise<void> {
  const path = `/api/dead-letters/${encodeURIComponent(id)}`;
  switch (action) {
    case "list": {
      const deadLetters = await listAll(api);
      return print(
        json ? toJson({ deadLetters }) : deadLetters.length === 0 ? "No dead letters" : toTable(deadLetters),
      );
    }
    case "show":
      return print(toJson(await api("GET", path)));
    case "requeue": {
      const answer = await api("POST", `${path}/requeue`);
      return print(json ? toJson(answer) : `Requeued ${id} as ${answer.executionId}`);
    }
    case "drop":
      await api("DELETE", path);
      return print(json ? toJson({ dropped: id }) : `Dropped ${id}`);
  }
}

async function listAll(api: ApiClient): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const from: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await api("GET", `/api/dead-letters?limit=${PAGE}${from}`);
    all.push(...page.deadLetters);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

function toTable(deadLetters: readonly DeadLetter[]): string {
  const rows = deadLetters.map(({ executionId, workflowId, deliveries, diedAt, error }) => [
    executionId,
    workflowId,
    String(deliveries),
    new Date(diedAt).toISOString(),
    `${error.code}: ${error.message}`,
  ]);
  return formatTable([["EXECUTION", "WORKFLOW", "DELIVERIES", "DIED AT", "ERROR"], ...rows]);
}

function toJson(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function parse(args: readonly string[]): Command | "help" {
  const { values: { help, json, url }, positionals: [word = "", ...ids] } = split(args);
  if (help) return "help";
  if (url === "") throw new UsageError("Expected a URL after --url");
  const action = ACTIONS.find((known) => known === word);
  if (action === undefined) {
    throw new UsageError(word === "" ? `Expected one of ${ACTIONS.join(", ")}` : `Unknown command "${word}"`);
  }
  const [id = "", extra] = action === "list" ? ["", ...ids] : ids;
  if (extra !== undefined) throw new UsageError(`Unknown argument "${extra}"`);
  if (action !== "list" && id === "") throw new UsageError(`Expected an execution id after "${action}"`);
  return { action, id, json, url };
}

function split(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        url: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    const { message } = error as Error;
    if (message.startsWith("Option '--url")) throw new UsageError("Expected a URL after --url");
    throw new UsageError(message.split(". ")[0]!.replaceAll("'", '"'));
  }
}
