/**
 * `millrace schedules`: what runs by the clock, and how to stop it, let it go on, run it now, or make up for a time span.
 */
import { type ApiClient, UsageError } from "./api_client.ts";
import { command, exactArguments, toJson } from "./command.ts";
import { formatTable } from "./table.ts";

const HELP = `Usage: millrace schedules [list]
       millrace schedules show <workflow> <node>
       millrace schedules pause <workflow> <node>
       millrace schedules resume <workflow> <node>
       millrace schedules run <workflow> <node>
       millrace schedules backfill <workflow> <node> <from> <to> [--again]

  list       All of them: when they run next, and what did not go by the clock
  show       One, with its next and last five times, as JSON
  pause      Lets no run start until resume
  resume     Goes on with the next time to come
  run        Starts one execution now
  backfill   Starts what the time from <from> on and before <to> has and what has not run yet; both are
             epoch milliseconds, or ISO 8601 with an offset such as 2026-11-26T00:00:00Z. What has run is
             remembered for IDEMPOTENCY_TTL_SECONDS, a day by default: earlier times take --again

Options:
  --again       Backfill: start earlier times too, which run again if they have run before`;

/** The most that one page of the list has. */
const PAGE = 500;
const ACTIONS = ["list", "show", "pause", "resume", "run", "backfill"] as const;
const NAME = ["a workflow id", "a trigger's node id"] as const;

// deno-lint-ignore no-explicit-any -- what the server answers
type Answer = any;

/** `millrace schedules`; exit code 1 when the server did not do it. */
export const schedules = command({
  name: "schedules",
  summary: "Schedules: list, show, pause, resume, run, backfill",
  help: HELP,
  trouble: 1,
  options: { again: { type: "boolean", default: false } },
  async run({ values: { again }, positionals: [word = "list", ...rest], json }, { api, context: { print } }) {
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined) throw new UsageError(`Unknown command "${word}"`);
    if (again && action !== "backfill") throw new UsageError("--again goes with backfill");
    if (action === "list") {
      exactArguments(rest, []);
      const all = await listAll(api);
      print(json ? toJson({ schedules: all }) : all.length === 0 ? "No schedules" : toTable(all));
      return 0;
    }
    const wanted = action === "backfill" ? [...NAME, "a time to begin with", "a time to end before"] : NAME;
    const [workflow = "", node = "", from = "", to = ""] = exactArguments(rest, wanted);
    const path = `/api/schedules/${encodeURIComponent(workflow)}/${encodeURIComponent(node)}`;
    if (action === "show") print(toJson(await api.call("GET", path)));
    else if (action === "backfill") {
      const body = { from: timeOf(from), to: timeOf(to), ...(again && { again }) };
      const answer: Answer = await api.call("POST", `${path}/backfill`, { json: body });
      const { started, existing, skipped } = answer;
      print(json ? toJson(answer) : `Started ${started}, ${existing} had run before, ${skipped} skipped`);
    } else {
      const answer: Answer = await api.call("POST", `${path}/${action}`);
      const done = action === "run" ? `Started ${answer.executionId}` : `${workflow} ${node}: ${stateOf(answer)}`;
      print(json ? toJson(answer) : done);
    }
    return 0;
  },
});

async function listAll(api: ApiClient): Promise<Answer[]> {
  const all: Answer[] = [];
  let cursor: string | undefined;
  do {
    const from: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page: Answer = await api.call("GET", `/api/schedules?limit=${PAGE}${from}`);
    all.push(...page.schedules);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

function toTable(all: readonly Answer[]): string {
  const rows = all.map((schedule) => {
    const { workflowId, node, cron, everySeconds, timeZone, last, notes } = schedule;
    const [note] = notes;
    return [
      workflowId,
      node,
      cron === undefined ? `every ${everySeconds} s` : `${cron} ${timeZone}`,
      stateOf(schedule),
      last[0] === undefined ? "-" : new Date(last[0].time).toISOString(),
      note === undefined ? "" : `${note.outcome} ${new Date(note.time).toISOString()}: ${note.reason}`,
    ];
  });
  return formatTable([["WORKFLOW", "NODE", "WHEN", "NEXT", "LAST", "NOTED"], ...rows]);
}

function stateOf({ paused, next }: Answer): string {
  return paused ? "paused" : next[0] === undefined ? "never" : new Date(next[0]).toISOString();
}

function timeOf(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}
