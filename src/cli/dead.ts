/**
 * `millrace dead`: looks at dead letters, starts them anew and drops them.
 */
import type { DeadLetter } from "../execution/dead_letters.ts";
import { type ApiClient, UsageError } from "./api_client.ts";
import { command, toJson } from "./command.ts";
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

Options:`;

/** The most that one page of the list has. */
const PAGE = 500;

const ACTIONS = ["list", "show", "requeue", "drop"] as const;

/** `millrace dead`; exit code 1 when the server did not do it. */
export const dead = command({
  name: "dead",
  summary: "Dead letters: list, show, requeue, drop",
  help: HELP,
  trouble: 1,
  async run({ positionals, json }, { api, context: { print } }) {
    const { action, id } = parse(positionals);
    const path = `/api/dead-letters/${encodeURIComponent(id)}`;
    switch (action) {
      case "list": {
        const deadLetters = await listAll(api);
        print(json ? toJson({ deadLetters }) : deadLetters.length === 0 ? "No dead letters" : toTable(deadLetters));
        break;
      }
      case "show":
        print(toJson(await api.call("GET", path)));
        break;
      case "requeue": {
        const answer = await api.call("POST", `${path}/requeue`);
        print(json ? toJson(answer) : `Requeued ${id} as ${answer.executionId}`);
        break;
      }
      case "drop":
        await api.call("DELETE", path);
        print(json ? toJson({ dropped: id }) : `Dropped ${id}`);
    }
    return 0;
  },
});

/** What to do, and with which execution; its id is empty for `list`. */
function parse([word = "", ...ids]: readonly string[]): { action: (typeof ACTIONS)[number]; id: string } {
  const action = ACTIONS.find((known) => known === word);
  if (action === undefined) {
    throw new UsageError(word === "" ? `Expected one of ${ACTIONS.join(", ")}` : `Unknown command "${word}"`);
  }
  const [id = "", extra] = action === "list" ? ["", ...ids] : ids;
  if (extra !== undefined) throw new UsageError(`Unknown argument "${extra}"`);
  if (action !== "list" && id === "") throw new UsageError(`Expected an execution id after "${action}"`);
  return { action, id };
}

async function listAll(api: ApiClient): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const from: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await api.call("GET", `/api/dead-letters?limit=${PAGE}${from}`);
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
