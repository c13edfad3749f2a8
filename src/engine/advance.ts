/**
 * The engine's decision: given a workflow's graph and the state that its events fold to, what to do next. The same log
 * always gives the same answer, so whoever takes an execution over goes on where the log ends.
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
 * 7. Each event is looked at once, with the connections of its node: the hundredth node costs what the tenth does.
 */
import type { NodeErrorData } from "../lib/errors.ts";
import type { Graph, GraphNode } from "../workflow/graph.ts";
import { delivers } from "../execution/node_input.ts";
import type { NodeState, RunState } from "../execution/state.ts";

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

/**
 * Decides for one execution, whose state may change as long as {@linkcode Frontier.touch} hears of it. A node is looked
 * at when the last of its connections is no longer open; from then on it is among those to start or to skip, until the
 * state knows it.
 */
export class Frontier {
  readonly #graph: Graph;
  readonly #state: RunState;
  /** How many connections of each node are open. */
  readonly #open = new Map<string, number>();
  /** Nodes whose end, or that they are skipped, their successors have been told. */
  readonly #settled = new Set<string>();
  readonly #start = new Set<string>();
  /** Made when there are any: most executions skip nothing and wait for nothing. */
  #skip: Set<string> | undefined;
  /** Nodes that wait or are to be retried. */
  #due: Set<string> | undefined;
  #failed: NodeState | undefined;

  constructor(graph: Graph, state: RunState) {
    this.#graph = graph;
    this.#state = state;
    for (const node of graph.values()) this.#open.set(node.id, node.incoming.length);
    for (const node of graph.values()) {
      if (state.nodes.has(node.id)) this.touch(node.id);
      else if (node.isTrigger) this.#settle(node);
      else if (node.incoming.length === 0) this.#look(node);
    }
  }

  /** Takes note that the state of a node changed. */
  touch(id: string): void {
    const node = this.#graph.get(id);
    if (node === undefined) return;
    const known = this.#state.nodes.get(id);
    if (known?.dueAt === undefined) this.#due?.delete(id);
    else (this.#due ??= new Set()).add(id);
    if (known === undefined) {
      if (this.#open.get(id) === 0) this.#look(node);
      return;
    }
    this.#start.delete(id);
    this.#skip?.delete(id);
    if (known.endedAt === undefined) return;
    if (known.status === "failed" && known.handled === undefined) this.#failed ??= known;
    this.#settle(node);
  }

  /** Decides what to do next at `now`. */
  decide(now: number): Decision {
    if (this.#failed !== undefined) return failureOf(this.#failed);
    let dueAt = Infinity;
    const start = [...this.#start];
    for (const id of this.#due ?? []) {
      const at = this.#state.nodes.get(id)!.dueAt!;
      if (at <= now) start.push(id);
      else dueAt = Math.min(dueAt, at);
    }
    const skip = this.#skip === undefined ? [] : [...this.#skip];
    if (start.length > 1) this.#sort(start);
    if (skip.length > 1) this.#sort(skip);
    if (this.#settled.size === this.#graph.size) {
      return { start, skip, end: { status: "completed", lastNode: this.#state.lastNode } };
    }
    return dueAt === Infinity ? { start, skip } : { start, skip, dueAt };
  }

  /** Tells the successors of a node that its connections are no longer open. */
  #settle(node: GraphNode): void {
    if (this.#settled.has(node.id)) return;
    this.#settled.add(node.id);
    for (const { to } of node.outgoing) {
      const open = this.#open.get(to)! - 1;
      this.#open.set(to, open);
      if (open === 0 && !this.#state.nodes.has(to)) this.#look(this.#graph.get(to)!);
    }
  }

  /** Starts or skips a node that has no open connection. */
  #look(node: GraphNode): void {
    const { nodes } = this.#state;
    const isReached = node.incoming.some((connection) => {
      const source = nodes.get(connection.from);
      return source !== undefined && delivers(source, connection);
    });
    if (isReached) this.#start.add(node.id);
    else {
      (this.#skip ??= new Set()).add(node.id);
      this.#settle(node);
    }
  }

  /** Into the graph's order. */
  #sort(ids: string[]): void {
    const places = placesIn(this.#graph);
    ids.sort((a, b) => places.get(a)! - places.get(b)!);
  }
}

/** The decision after a failure that nobody handles. */
function failureOf({ error = { code: "node_failed", message: "The node failed" } }: NodeState): Decision {
  return { start: [], skip: [], end: { status: "failed", error } };
}

const placesOf = new WeakMap<Graph, ReadonlyMap<string, number>>();

function placesIn(graph: Graph): ReadonlyMap<string, number> {
  let places = placesOf.get(graph);
  if (places === undefined) placesOf.set(graph, places = new Map([...graph.keys()].map((id, place) => [id, place])));
  return places;
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
