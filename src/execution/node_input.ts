/**
 * What a node is given: the outputs of those before it that reach it.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Connection } from "../workflow/definition.ts";
import type { GraphNode } from "../workflow/graph.ts";
import type { NodeState, RunState } from "./state.ts";

/** Whether a node that has ended delivers by this connection, which begins at it. */
export function delivers(source: NodeState, { output }: Connection): boolean {
  if (source.status === "completed") {
    return source.outputs === undefined ? output === "main" : source.outputs.includes(output);
  }
  if (source.status === "failed") return output === (source.handled === "branch" ? "error" : "main");
  return false;
}

/**
 * The input of a node: the output of its one predecessor or, where the graph gives it several, an object keyed by
 * the ids of those that delivered. A handled failure delivers `{error: {code, message}}`. A fork may give the node at
 * which it begins something else.
 */
export function inputOf(node: GraphNode, state: RunState): JsonValue {
  const { fork } = state;
  if (fork?.input !== undefined && fork.from === node.id) return fork.input;
  const [only] = node.incoming;
  if (only !== undefined && node.incoming.length === 1) {
    const source = state.nodes.get(only.from);
    return source !== undefined && delivers(source, only) ? outputOf(source) : null;
  }
  const sources = new Set(node.incoming.map((connection) => connection.from));
  const delivered: [string, JsonValue][] = [];
  for (const connection of node.incoming) {
    const source = state.nodes.get(connection.from);
    if (source !== undefined && delivers(source, connection)) delivered.push([connection.from, outputOf(source)]);
  }
  return sources.size > 1 ? Object.fromEntries(delivered) : delivered[0]?.[1] ?? null;
}

function outputOf(node: NodeState): JsonValue {
  if (node.status !== "failed") return node.output ?? null;
  return { error: { code: node.error?.code ?? "node_failed", message: node.error?.message ?? "" } };
}
