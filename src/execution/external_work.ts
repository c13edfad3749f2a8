/**
 * The port of executions that other programs run: handed out under a lease, reported event by event.
 */
import type { JsonValue } from "../lib/json.ts";
import type { ExecutionResult } from "./result.ts";
import type { LogEvent } from "./event.ts";

/** An execution that a program was handed. */
export interface ExternalClaim {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** The trigger's output. */
  readonly input: JsonValue;
  /** How often it was handed out; a report must name the current number. */
  readonly epoch: number;
  /** Epoch milliseconds; each report makes it later by the whole lease. */
  readonly leaseExpiresAt: number;
  /** Epoch milliseconds; past it the execution ends as timed out. */
  readonly deadline: number;
}

/** One event that is reported. */
export interface ExternalReport {
  readonly executionId: string;
  /** Of the claim; absent for what was created to be reported and never handed out. */
  readonly epoch?: number;
  /** Names the event: a second report with it changes nothing. */
  readonly eventId?: string;
  /**
   * What is appended for it, in one step; the last one names it: `execution.started`, `.progress`, `.completed`,
   * `.failed`.
   */
  readonly events: readonly LogEvent[];
  /** With the event that ends it. */
  readonly result?: ExecutionResult;
}

/**
 * What a report came to. `internal`: no other program runs this execution; `stale`: it was handed out again, or has to
 * be reported with its epoch; `order`: it has not begun, has begun before, or waits for its lock or a slot; `limit`: its
 * log takes its end only.
 */
export type ReportOutcome =
  | "done"
  | "duplicate"
  | "unknown"
  | "ended"
  | "internal"
  | "stale"
  | "order"
  | "limit";

/** Outcome of ending an overdue execution: ended now; under a live lease; not yet due; already ended, or unknown. */
export type LapseOutcome = "ended" | "leased" | "early" | "over";

/** Executions that other programs run. */
export interface ExternalWork {
  /**
   * Hands out at most `count` executions of these workflows without a live lease, without waiting: of one workflow those
   * whose lease has lapsed first, then the oldest first; no workflow always goes before another. An execution that was
   * handed out too often without progress becomes a dead letter instead.
   */
  take(options: { workflowIds: readonly string[]; count: number; leaseMs: number }): Promise<ExternalClaim[]>;
  /** Appends an event; the one that ends the execution stores its result and answers its caller. */
  report(report: ExternalReport): Promise<ReportOutcome>;
  /** Ends an execution, whichever program runs it, that is past its deadline and under no live lease. */
  endLapsed(executionId: string): Promise<LapseOutcome>;
}
