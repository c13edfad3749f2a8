/**
 * `millrace backtest`: what a draft of a workflow would have changed.
 */
import { basename } from "node:path";
import { ApiCallError, UsageError } from "./api_client.ts";
import { command, onlyArgument } from "./command.ts";
import { linesOf } from "./event_lines.ts";
import { jsonOption } from "./input.ts";
import { drawShare } from "./progress.ts";
import { cleanText } from "./table.ts";

/** Longer values are cut. */
const SHOWN = 120;

/** `millrace backtest`. */
export const backtest = command({
  name: "backtest",
  summary: "Runs recorded executions through a draft, and says what would change",
  help: `Usage: millrace backtest <draft.json> [--workflow <id>] [--last <n> | --executions <id>,…]

Nothing is written and nothing is called. Exits with 0 when nothing would change, with 1 when anything would.

Options:
  --workflow <id>      The workflow; by default the draft's id, else the file's name
  --last <n>           How many of its newest executions, 1 to 1000; by default 100
  --executions <ids>   These, separated by commas`,
  options: { workflow: { type: "string" }, last: { type: "string" }, executions: { type: "string" } },
  async run({ values, positionals, json }, { api, context: { print, printError, terminal } }) {
    const file = onlyArgument(positionals, "the file of a draft");
    const draft = await jsonOption(file, `@${file}`);
    if (typeof draft !== "object" || draft === null || Array.isArray(draft)) {
      throw new UsageError(`Expected ${file} to be a workflow's definition`);
    }
    const { id, version: _version, updatedAt: _updatedAt, changedBy: _changedBy, ...definition } = draft as Record<
      string,
      unknown
    >;
    const workflow = values.workflow ?? (typeof id === "string" ? id : basename(file, ".json"));
    const executions = values.executions?.split(",").map((it) => it.trim());
    const last = values.last === undefined ? undefined : Number(values.last);
    if (last !== undefined && !Number.isSafeInteger(last)) throw new UsageError("Expected a number after --last");
    const total = executions?.length ?? last ?? 100;
    const response = await api.open("POST", `/api/workflows/${encodeURIComponent(workflow)}/backtest`, {
      headers: { accept: "application/x-ndjson" },
      json: { definition, ...(executions && { executions }), ...(last !== undefined && { last }) },
    });
    let done = 0;
    let summary: Record<string, number> | undefined;
    try {
      for await (const line of linesOf(response.body)) {
        if (json) print(line);
        const item = JSON.parse(line);
        summary = item.summary ?? summary;
        if (json || item.execution === undefined) continue;
        const lines = reportLines(item.execution);
        if (lines.length > 0) terminal?.write("\r\x1b[K");
        for (const text of lines) print(text);
        drawShare(terminal, ++done, total);
      }
    } catch (error) {
      throw new ApiCallError(`The backtest ended early: ${(error as Error).message}`, { cause: error });
    } finally {
      if (!json) terminal?.write("\r\x1b[K");
    }
    if (summary === undefined) throw new ApiCallError("The backtest ended early");
    if (!json) {
      const { executions: all, same, changed, unanswered, skipped, tookMs } = summary;
      print(
        `${all} executions in ${tookMs} ms: ${same} same, ${changed} changed, ${unanswered} unanswered, ${skipped} skipped`,
      );
      if (unanswered! > 0) printError("What the record could not answer is not known to be the same");
    }
    return summary["changed"]! > 0 ? 1 : 0;
  },
});

// deno-lint-ignore no-explicit-any
function reportLines({ executionId, outcome, reason, nodes = [], unanswered = [] }: any): string[] {
  if (outcome === "same") return [];
  // deno-lint-ignore no-explicit-any
  const changes = nodes.map((it: any) =>
    `  ${cleanText(it.node)}${it.origin ? "" : " (follows)"}: ${shown(it.recorded)} → ${shown(it.new)}`
  );
  // deno-lint-ignore no-explicit-any
  const unknown = unanswered.map((it: any) => `  ${cleanText(it.node)}: ${cleanText(it.reason)}`);
  return [`${executionId}  ${outcome}${reason === undefined ? "" : `: ${cleanText(reason)}`}`, ...changes, ...unknown];
}

function shown(outcome: { status: string; output?: unknown; error?: { code: string } } | null): string {
  if (outcome === null) return "not run";
  if (outcome.error !== undefined) return `${outcome.status} ${cleanText(outcome.error.code)}`;
  const text = cleanText(JSON.stringify(outcome.output ?? null));
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
}
