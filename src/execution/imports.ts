/**
 * The port that takes executions which ran elsewhere.
 */
import type { StoredEvent } from "./event.ts";
import type { ExecutionMeta } from "./log.ts";
import type { ExecutionResult } from "./result.ts";

/** An execution that ran elsewhere, and has ended. */
export interface ImportedExecution extends Pick<ExecutionMeta, "executionId" | "workflowId" | "version" | "status"> {
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Epoch milliseconds, of there. */
  readonly requestedAt: number;
  readonly endedAt: number;
  /** Every event, under its own id. */
  readonly events: Iterable<StoredEvent>;
  readonly result: ExecutionResult;
}

/** Keeps executions that came as files: they are read like any other that has ended, and no worker ever has them. */
export interface Imports {
  /**
   * Keeps one for `ttlSeconds`, as a whole or not at all; false when there is an execution of its id already.
   *
   * @throws {MillraceError} `storage_full`
   */
  put(execution: ImportedExecution, options: { ttlSeconds: number }): Promise<boolean>;
}
