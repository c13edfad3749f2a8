/**
 * The port that takes executions back: what ran in memory meanwhile is written into the store under its own id.
 */
import type { StoredEvent } from "./event.ts";
import type { ExecutionRequest } from "./request.ts";
import type { ExecutionResult } from "./result.ts";

/** An execution as it is brought: what it was requested with, and its log so far. */
export interface ArrivingExecution {
  readonly request: Omit<ExecutionRequest, "input" | "replyTo">;
  /** In order; the last one is terminal where it has ended. */
  readonly events: readonly StoredEvent[];
  /** Of an execution that has ended, while it lives. */
  readonly result?: ExecutionResult | undefined;
}

/** The outcome of an import. */
export interface ArrivalOutcome {
  /** `existing`: the store has an execution of that id, and keeps it as it is. */
  readonly what: "written" | "existing";
  /** The other execution that the store has under the same idempotency key. */
  readonly keyOf?: string;
}

/** Writes executions. */
export interface Arrivals {
  /**
   * Writes an execution that ended as it ended; one that has not goes on, on whatever worker takes it. Sent again it
   * changes nothing.
   */
  write(execution: ArrivingExecution): Promise<ArrivalOutcome>;
}
