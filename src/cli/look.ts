/**
 * `millrace list`, `show` and `diff`: look at executions.
 */
import type { ExecutionMeta } from "../execution/log.ts";
import { command, exactArguments, onlyArgument, toJson } from "./command.ts";
import { formatTable } from "./table.ts";
import { waterfall } from "./waterfall.ts";

/** `millrace list`. */
export const list = command({
  name: "list",
  summary: "Executions, the newest first",
  help: `Usage: millrace list [--workflow <id>] [--status <status>] [--limit <n>]

Options:
  --workflow <id>      Of this workflow only
  --status <status>    pending, running, paused, completed, failed or cancelled only
  --limit <n>          How many, 1 to 500; by default 20`,
  options: { workflow: { type: "string" }, status: { type: "string" }, limit: { type: "string", default: "20" } },
  async run({ values, positionals, json }, { api, context: { print } }) {
    exactArguments(positionals, []);
    const query = new URLSearchParams(
      Object.entries(values).filter(([name]) => !["json", "url", "help"].includes(name)) as [string, string][],
    );
    const answer = await api.call("GET", `/api/executions?${query}`);
    const executions = answer.executions as ExecutionMeta[];
    if (json) print(toJson(answer));
    else if (executions.length === 0) print("No executions");
    else {
      const rows = executions.map((it) => [
        it.executionId,
        `${it.workflowId} v${it.version}`,
        it.status,
        new Date(it.requestedAt).toISOString(),
        it.endedAt === undefined ? "" : `${it.endedAt - it.requestedAt} ms`,
        it.imported ? "imported" : it.forkOf === undefined ? "" : `fork of ${it.forkOf}`,
      ]);
      print(formatTable([["EXECUTION", "WORKFLOW", "STATUS", "REQUESTED AT", "TOOK", ""], ...rows]));
    }
    return 0;
  },
});

/** `millrace show`. */
export const show = command({
  name: "show",
  summary: "When each node of an execution ran",
  help: `Usage: millrace show <execution id> [--at <entry id, number or time>]

Options:
  --at <moment>   As it was at an entry of its log, by its id or number, or at an ISO 8601 time`,
  options: { at: { type: "string" } },
  async run({ values, positionals, json }, { api, context: { print } }) {
    const id = onlyArgument(positionals, "an execution id");
    const at = values.at === undefined ? "" : `?at=${encodeURIComponent(values.at)}`;
    const state = await api.call("GET", `/api/executions/${encodeURIComponent(id)}${at}`);
    print(json ? toJson(state) : waterfall(state, state.at?.time ?? Date.now()).join("\n"));
    return 0;
  },
});

/** `millrace diff`. */
export const diff = command({
  name: "diff",
  summary: "Compares two executions, node by node",
  help: `Usage: millrace diff <execution id> <execution id>

Exits with 1 when they differ in anything but the time that they took.`,
  async run({ positionals, json }, { api, context: { print } }) {
    const [a, b] = exactArguments(positionals, ["an execution id", "a second execution id"]).map(encodeURIComponent);
    const answer = await api.call("GET", `/api/executions/${a}/diff/${b}`);
    if (json) print(toJson(answer));
    else {
      const rows = answer.nodes.map((it: Record<string, { a: unknown; b: unknown }> & { changed: string[] }) => [
        String(it["node"]),
        it.changed.join(", ") || "same",
        `${it["status"]!.a ?? "-"} / ${it["status"]!.b ?? "-"}`,
        `${it["durationMs"]!.a ?? "-"} / ${it["durationMs"]!.b ?? "-"} ms`,
        it.changed.includes("output") ? `${JSON.stringify(it["output"]!.a)} / ${JSON.stringify(it["output"]!.b)}` : "",
      ]);
      print(formatTable([["NODE", "DIFFERS IN", "STATUS", "TOOK", "OUTPUT"], ...rows]));
    }
    return answer.same ? 0 : 1;
  },
});
