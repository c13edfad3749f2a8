/**
 * The graph of a workflow: who comes before and after whom.
 */
import type { Connection, NodeDefinition } from "./definition.ts";

/** One node and its edges. */
export interface GraphNode {
  readonly id: string;
  readonly definition: NodeDefinition;
  /** Position in topological order. */
  readonly order: number;
  readonly incoming: readonly Connection[];
  readonly outgoing: readonly Connection[];
  readonly isTrigger: boolean;
  /** True when running it twice can be noticed outside: buffered events are flushed before it starts. */
  readonly hasSideEffects: boolean;
}

/** Nodes by id, in topological order. */
export type Graph = ReadonlyMap<string, GraphNode>;
