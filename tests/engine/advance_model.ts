/**
 * The engine's decision as one pure function of graph and state, by the invariants of `src/engine/advance.ts`: what the
 * engine keeps up to date must be this at any moment.
 */
import { delivers } from "../../src/execution/node_input.ts";
import type { RunState } from "../../src/execution/state.ts";
import type { Graph, GraphNode } from "../../src/workflow/graph.ts";
import type { Decision } from "../../src/engine/advance.ts";

/** Decides what to do next at `now`. */
export function advance(graph: Graph, state: RunState, now: number): Decision {
  for (const node of state.nodes.values()) {
    if (node.status === "failed" && node.handled === undefined) {
      const { error = { code: "node_failed", message: "The node failed" } } = node;
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
