/**
 * What is shown of an execution while it runs: bars that are drawn over themselves on a terminal, else a line an event.
 */
import type { StoredEvent } from "../execution/event.ts";
import { applyEvent, emptyState, type NodeState, type RunState } from "../execution/state.ts";
import type { CommandContext } from "./api_client.ts";
import { cleanText } from "./table.ts";

const BAR = 20;
const MARKS: Readonly<Record<NodeState["status"], string>> = {
  running: "…",
  waiting: "z",
  retrying: "↻",
  completed: "✓",
  failed: "✗",
  skipped: "-",
};

/** Shows events as they come. */
export interface ProgressView {
  readonly state: RunState;
  take(event: StoredEvent): void;
}

/** Makes a view; with `json` each event is a line of JSON. */
export function createProgressView(
  { terminal, print }: Pick<CommandContext, "terminal" | "print">,
  options: { json: boolean },
): ProgressView {
  const state = emptyState();
  let drawn = 0;
  return {
    state,
    take(event) {
      applyEvent(state, event);
      if (options.json) return print(JSON.stringify(event));
      if (terminal === undefined) return print(eventLine(event, state));
      const lines = barLines(state, terminal.columns());
      // Up to the first line that was drawn, and erase from there (ECMA-48, CUU and ED).
      terminal.write(`${drawn > 0 ? `\x1b[${drawn}A` : ""}\x1b[J${lines.join("\n")}\n`);
      drawn = lines.length;
    },
  };
}

function eventLine({ type, time, node }: StoredEvent, state: RunState): string {
  const at = new Date(time).toISOString().slice(11, 23);
  const known = node === undefined ? undefined : state.nodes.get(node);
  const took = known?.endedAt === undefined || known.startedAt === undefined
    ? type === "node.progress" && known !== undefined ? ` ${percentText(known)}` : ""
    : `  ${known.endedAt - known.startedAt} ms`;
  return `${at}  ${type}${node === undefined ? "" : `  ${cleanText(node)}`}${took}`;
}

function barLines(state: RunState, columns: number): string[] {
  const width = Math.max(0, ...[...state.nodes.keys()].map((id) => id.length));
  const head = `${state.status}, ${
    [...state.nodes.values()].filter((it) => it.endedAt !== undefined).length
  } nodes ended`;
  const lines = [...state.nodes].map(([id, node]) => {
    const took = node.startedAt === undefined || node.endedAt === undefined
      ? percentText(node)
      : ` ${node.endedAt - node.startedAt} ms`;
    return `${MARKS[node.status]} ${cleanText(id).padEnd(width)} ${bar(node)}${took}`;
  });
  return [head, ...lines].map((line) => line.slice(0, Math.max(20, columns - 1)));
}

function percentText({ percent }: NodeState): string {
  return percent === undefined ? "" : ` ${Math.floor(percent)} %`;
}

function bar({ status, endedAt, percent }: NodeState): string {
  const begun = status !== "running" ? BAR / 4 : percent === undefined ? BAR / 2 : Math.floor(BAR * percent / 100);
  const full = endedAt !== undefined ? BAR : begun;
  return "█".repeat(full) + "░".repeat(BAR - full);
}

/** Part of a whole, drawn over itself. */
export function drawShare(terminal: CommandContext["terminal"], done: number, total: number): void {
  const full = Math.round((Math.min(done, total) / Math.max(1, total)) * BAR);
  terminal?.write(`\r\x1b[K${"█".repeat(full)}${"░".repeat(BAR - full)} ${done}/${total}`);
}
