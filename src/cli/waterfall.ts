/**
 * When each node of an execution ran, as bars below one another.
 */
import type { ExecutionState } from "../execution/state.ts";
import { cleanText } from "./table.ts";

const WIDTH = 40;

/** Lines of text: a head, then a line a node. */
export function waterfall(state: ExecutionState, now: number = Date.now()): string[] {
  const { executionId, workflowId, version, status, requestedAt, endedAt = now, nodes, error, forkOf } = state;
  const whole = Math.max(1, endedAt - requestedAt);
  const ids = Object.keys(nodes);
  const width = Math.max(0, ...ids.map((id) => id.length));
  const head = `${executionId}  ${workflowId} v${version}  ${status}  ${endedAt - requestedAt} ms`;
  const lines = ids.map((id) => {
    const { startedAt = nodes[id]!.endedAt ?? requestedAt, endedAt: ended, status, attempts } = nodes[id]!;
    const until = ended ?? endedAt;
    const from = Math.min(WIDTH - 1, Math.max(0, Math.floor(((startedAt - requestedAt) / whole) * WIDTH)));
    const length = Math.max(1, Math.min(WIDTH - from, Math.round(((until - startedAt) / whole) * WIDTH)));
    const bar = `${" ".repeat(from)}${"█".repeat(length)}`.padEnd(WIDTH);
    const tries = attempts > 1 ? `, ${attempts} tries` : "";
    return `  ${cleanText(id).padEnd(width)}  |${bar}|  ${Math.max(0, until - startedAt)} ms  ${status}${tries}`;
  });
  const notes = [
    ...(forkOf === undefined ? [] : [`  a fork of ${forkOf.executionId}${forkOf.from ? ` from ${forkOf.from}` : ""}`]),
    ...(error === undefined ? [] : [cleanText(`  ${error.code}: ${error.message}`)]),
  ];
  return [head, ...notes, ...lines];
}
