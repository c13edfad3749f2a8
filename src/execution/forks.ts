/**
 * The port of the links between executions and their forks.
 */

/** A fork, and what it is a fork of. */
export interface ForkLink {
  /** The execution whose record the fork begins with. */
  readonly of: string;
  readonly fork: string;
}

/** How many forks of one execution are remembered, the newest. */
export const MAX_FORKS = 1000;

/** Keeps which executions are forks of which. A link lives as long as the two it links. */
export interface Forks {
  /**
   * Links both ways: the fork's `ExecutionMeta.forkOf`, and the list of the other. Changes nothing the second time, and
   * nothing of an execution that is unknown.
   *
   * @param options.ttlSeconds how long the list is kept while the execution that is forked has not ended
   */
  link(link: ForkLink, options: { ttlSeconds: number }): Promise<void>;
  /** The ids of an execution's forks, in their order. */
  list(executionId: string): Promise<string[]>;
}
