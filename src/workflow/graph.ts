/**
 * The graph of a workflow: nodes with their edges, and the checks of a definition's connections.
 */
import type { Fault } from "../lib/errors.ts";
import type { Connection, NodeDefinition } from "./definition.ts";

/** One node and its edges. */
export interface GraphNode {
  readonly id: string;
  readonly definition: NodeDefinition;
  readonly incoming: readonly Connection[];
  readonly outgoing: readonly Connection[];
  /** The node starts executions and is never run. */
  readonly isTrigger: boolean;
  /** Its output is the response to the caller. */
  readonly responds: boolean;
  /** True when running it twice can be noticed outside: buffered events are flushed before it starts. */
  readonly hasSideEffects: boolean;
}

/** Nodes by id, in topological order. */
export type Graph = ReadonlyMap<string, GraphNode>;

/** The properties of a node type that the graph needs; see `NodeType`. */
export interface NodeKind {
  readonly starts?: "webhook" | "manual" | "schedule";
  readonly responds?: boolean;
  readonly hasSideEffects: boolean;
}

/** A node to build a graph of. Parts that had faults of their own are missing, and are not checked. */
export interface GraphInput {
  /** Its index in the definition's `nodes`. */
  readonly index: number;
  readonly id: string;
  readonly definition?: NodeDefinition | undefined;
  readonly kind?: NodeKind | undefined;
  /** The outputs that a connection may name besides `error`. */
  readonly outputs?: readonly string[] | undefined;
}

/** A connection and its index in the definition's `connections`. */
export interface PlacedConnection {
  readonly index: number;
  readonly connection: Connection;
}

/**
 * Builds the graph of a definition and adds its faults to `faults`: duplicate ids, dangling and double connections,
 * outputs that do not exist, cycles, nodes that nothing leads to, no trigger. The graph is valid only without faults.
 */
export function buildGraph(
  nodes: readonly GraphInput[],
  connections: readonly PlacedConnection[],
  options: { faults: Fault[]; complete: boolean },
): Graph {
  const { faults, complete } = options;
  const byId = new Map<string, GraphInput>();
  for (const node of nodes) {
    const first = byId.get(node.id);
    if (first === undefined) byId.set(node.id, node);
    else {faults.push({
        pointer: `/nodes/${node.index}/id`,
        detail: `"${node.id}" is already the id of node ${first.index}`,
      });}
  }
  const edges = checkConnections(byId, connections, faults);
  if (complete) checkReach(byId, connections, faults);
  return order(byId, edges, faults);
}

function checkConnections(
  byId: ReadonlyMap<string, GraphInput>,
  connections: readonly PlacedConnection[],
  faults: Fault[],
): PlacedConnection[] {
  const edges: PlacedConnection[] = [];
  const seen = new Map<string, number>();
  for (const placed of connections) {
    const { index, connection: { from, to, output } } = placed;
    const pointer = `/connections/${index}`;
    const source = byId.get(from);
    const target = byId.get(to);
    if (source === undefined) faults.push({ pointer: `${pointer}/from`, detail: `no node has the id "${from}"` });
    if (target === undefined) faults.push({ pointer: `${pointer}/to`, detail: `no node has the id "${to}"` });
    if (target?.kind?.starts) {
      faults.push({ pointer: `${pointer}/to`, detail: `"${to}" is a trigger: nothing leads to it` });
    }
    if (source !== undefined) checkOutput(source, output, { pointer: `${pointer}/output`, faults });
    const name = JSON.stringify([from, to, output]);
    const first = seen.get(name);
    if (first !== undefined) faults.push({ pointer, detail: `is the same as connection ${first}` });
    else seen.set(name, index);
    if (source !== undefined && target !== undefined && first === undefined) edges.push(placed);
  }
  return edges;
}

function checkOutput(source: GraphInput, output: string, options: { pointer: string; faults: Fault[] }): void {
  const { pointer, faults } = options;
  const { outputs, definition, id } = source;
  if (output === "error" && !outputs?.includes("error")) {
    if (definition !== undefined && definition.onError !== "branch") {
      faults.push({ pointer, detail: `"${id}" has an output "error" only if its onError is "branch"` });
    }
  } else if (outputs !== undefined && !outputs.includes(output)) {
    faults.push({ pointer, detail: `"${id}" has no output "${output}", only ${quoteAll(outputs)}` });
  }
}

function checkReach(
  byId: ReadonlyMap<string, GraphInput>,
  connections: readonly PlacedConnection[],
  faults: Fault[],
): void {
  const targets = new Set(connections.map(({ connection }) => connection.to));
  let triggers = 0;
  for (const { id, index, kind } of byId.values()) {
    if (kind === undefined || kind.starts !== undefined) triggers++;
    else if (!targets.has(id)) faults.push({ pointer: `/nodes/${index}`, detail: `nothing leads to the node "${id}"` });
  }
  if (triggers === 0) faults.push({ pointer: "/nodes", detail: "no node is a trigger" });
}

/** Topological order (Kahn 1962); each cycle is reported once, by the names on it. */
function order(byId: ReadonlyMap<string, GraphInput>, edges: readonly PlacedConnection[], faults: Fault[]): Graph {
  const incoming = new Map<string, PlacedConnection[]>();
  const outgoing = new Map<string, PlacedConnection[]>();
  for (const id of byId.keys()) {
    incoming.set(id, []);
    outgoing.set(id, []);
  }
  for (const edge of edges) {
    incoming.get(edge.connection.to)?.push(edge);
    outgoing.get(edge.connection.from)?.push(edge);
  }
  const missing = new Map([...incoming].map(([id, list]) => [id, list.length]));
  const graph = new Map<string, GraphNode>();
  const ready = [...missing].filter(([, count]) => count === 0).map(([id]) => id);
  for (let position = 0;;) {
    while (position < ready.length) {
      const id = ready[position++] as string;
      const { definition, kind } = byId.get(id) as GraphInput;
      // A node of a cut cycle may come twice.
      if (!missing.delete(id)) continue;
      if (definition !== undefined) {
        graph.set(id, {
          id,
          definition,
          incoming: (incoming.get(id) ?? []).map(({ connection }) => connection),
          outgoing: (outgoing.get(id) ?? []).map(({ connection }) => connection),
          isTrigger: kind?.starts !== undefined,
          responds: kind?.responds ?? false,
          hasSideEffects: kind?.hasSideEffects ?? true,
        });
      }
      for (const { connection: { to } } of outgoing.get(id) ?? []) {
        const left = missing.get(to);
        if (left === undefined) continue;
        missing.set(to, left - 1);
        if (left === 1) ready.push(to);
      }
    }
    if (missing.size === 0) return graph;
    const cycle = findCycle(missing, incoming);
    const names = [...cycle, cycle[0]].map((edge) => `"${edge?.connection.from}"`).join(" → ");
    faults.push({ pointer: `/connections/${cycle.at(-1)?.index}`, detail: `closes a cycle: ${names}` });
    // Continue as if the cycle were cut, to find the next one.
    for (const { connection: { from } } of cycle) if (missing.has(from)) ready.push(from);
  }
}

/** Every node in `left` has a predecessor in `left`, so a walk backwards must reach a node twice. */
function findCycle(
  left: ReadonlyMap<string, number>,
  incoming: ReadonlyMap<string, readonly PlacedConnection[]>,
): PlacedConnection[] {
  const path: PlacedConnection[] = [];
  const visited = new Map<string, number>();
  let [id] = left.keys();
  while (id !== undefined && !visited.has(id)) {
    visited.set(id, path.length);
    const back: PlacedConnection | undefined = incoming.get(id)?.find(({ connection }) => left.has(connection.from));
    if (back === undefined) break;
    path.push(back);
    id = back.connection.from;
  }
  return path.slice(visited.get(id ?? "") ?? 0).reverse();
}

function quoteAll(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.map((name) => `"${name}"`).join(", ");
}
