/**
 * The engine's decision, pure: given a workflow's graph and the state that its events fold to, what to do next.
 * The same log always gives the same answer, so whoever takes an execution over goes on where the log ends.
 *
 * Invariants:
 * 1. A connection has *delivered* when its source ended on its output, and is *dead* when its source was skipped or
 *    ended on another output. Until then it is open.
 * 2. A node starts when none of its connections is open and at least one has delivered.
 * 3. A node is skipped when all of its connections are dead.
 * 4. A node that waits or is to be retried starts again when it is due.
 * 5. An unhandled failure ends the execution at once; otherwise it ends when every node has ended or was skipped.
 * 6. A decision is complete: once it is carried out, nothing follows from it until a node ends or is due. So skips are
 *    followed to whatever they open, the end included.
 */
import type { NodeErrorData } from "../lib/errors.ts";
import type { Graph, GraphNode } from "../workflow/graph.ts";
import { delivers } from "../execution/node_input.ts";
import type { RunState } from "../execution/state.ts";

/** What to do next. When `end` is set, `start` is empty, and what is to be skipped comes before it. */
export interface Decision {
  readonly start: readonly string[];
  readonly skip: readonly string[];
  /** When the next node is due that waits or is to be retried, in epoch milliseconds. */
  readonly dueAt?: number;
  readonly end?:
    | { readonly status: "completed"; readonly lastNode: string }
    | { readonly status: "failed"; readonly error: NodeErrorData };
}

/** Decides what to do next at `now`. */
export function advance(graph: Graph, state: RunState, now: number): Decision {
  for (const node of state.nodes.values()) {
    if (node.status === "failed" && node.handled === undefined) {
      const error = node.error ?? { code: "node_failed", message: "The node failed" };
      return { start: [], skip: [], end: { status: "failed", error } };
    }
  }
  const start: string[] = [];
  const skipped = new Set<string>();
  let open = false;
  let dueAt = Infinity;
  for (const node of graph.values()) {
    const known = state.nodes.get(node.id);
    if (known !== undefined) {
      open ||= known.endedAt === undefined;
      if (known.dueAt === undefined) continue;
      if (known.dueAt <= now) start.push(node.id);
      else dueAt = Math.min(dueAt, known.dueAt);
      continue;
    }
    const fate = node.isTrigger ? "skip" : fateOf(node, state, skipped);
    if (fate === "start") start.push(node.id);
    else if (fate === "skip") skipped.add(node.id);
    else open = true;
  }
  const skip = [...skipped].filter((id) => !graph.get(id)!.isTrigger);
  if (open || start.length > 0) {
    return dueAt === Infinity ? { start, skip } : { start, skip, dueAt };
  }
  return { start, skip, end: { status: "completed", lastNode: state.lastNode } };
}

function fateOf(node: GraphNode, state: RunState, skipped: ReadonlySet<string>): "start" | "skip" | "wait" {
  let delivered = false;
  for (const connection of node.incoming) {
    const source = state.nodes.get(connection.from);
    if (source === undefined) {
      if (!skipped.has(connection.from)) return "wait";
    } else if (source.endedAt === undefined) return "wait";
    else delivered ||= delivers(source, connection);
  }
  return delivered ? "start" : "skip";
}

/**
 * Takes back what the log says of a node that ran when its worker was lost: it is to start again, as the same attempt.
 */
export function interrupt(state: RunState, nodeId: string): void {
  const node = state.nodes.get(nodeId);
  if (node === undefined || node.status !== "running") return;
  if (node.attempts <= 1) state.nodes.delete(nodeId);
  else {
    node.status = "retrying";
    node.attempts--;
    node.dueAt = 0;
  }
}

/** The nodes that respond and have completed, in that order. */
export function responders(graph: Graph, state: RunState): string[] {
  return state.completed.filter((id) => graph.get(id)?.responds);
}
