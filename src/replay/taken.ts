/**
 * The node results that a fork takes from the recording instead of running the nodes.
 */
import type { EventData, StoredEvent } from "../execution/event.ts";
import { compareEntryIds, isEntryId } from "../lib/entry_id.ts";
import type { Graph } from "../workflow/graph.ts";
import type { Recording } from "./recording.ts";

/** The end of a node, as the fork's log has it. */
export type TakenEvent = {
  [T in "node.completed" | "node.failed" | "node.skipped"]: {
    readonly type: T;
    readonly node: string;
    readonly data: EventData[T];
  };
}["node.completed" | "node.failed" | "node.skipped"];

/** True when `from` is an entry id, false when it is a node. */
export function isPlace(from: string): boolean {
  return from.includes("-") && isEntryId(from);
}

/**
 * The ends of nodes that a fork takes, in the order of the log. `from` is a node: all but those of this node and of the
 * nodes after it. `from` is an entry id: all before that entry. Absent: none. Nodes that the workflow no longer has are
 * left out, and so is a failure that ended the execution.
 */
export function takenEvents({ events, state }: Recording, graph: Graph, from: string | undefined): TakenEvent[] {
  if (from === undefined || from === state.trigger) return [];
  const place = isPlace(from) ? from : undefined;
  const again = place === undefined ? withDescendants(graph, from) : new Set<string>();
  return events.flatMap((event) => {
    if (place !== undefined && compareEntryIds(event.id, place) >= 0) return [];
    const node = graph.get(event.node ?? "");
    return node === undefined || node.isTrigger || again.has(node.id) ? [] : takenEvent(event, node.id);
  });
}

function takenEvent(event: StoredEvent, node: string): TakenEvent[] {
  switch (event.type) {
    case "node.completed": {
      const { output, outputs, responds } = event.data;
      const data = { output, ...(outputs && { outputs }), ...(responds && { responds }), recorded: true as const };
      return [{ type: event.type, node, data }];
    }
    case "node.failed":
      return event.data.handled === undefined ? [] : [{ type: event.type, node, data: event.data }];
    case "node.skipped":
      return [{ type: event.type, node, data: {} }];
    default:
      return [];
  }
}

function withDescendants(graph: Graph, from: string): Set<string> {
  const found = new Set([from]);
  // The graph is in topological order: the predecessors of a node have been visited before it.
  for (const { id, incoming } of graph.values()) if (incoming.some((it) => found.has(it.from))) found.add(id);
  return found;
}
