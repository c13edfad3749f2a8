/**
 * The options of a worker.
 */
import type { Clock } from "../lib/clock.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { WorkQueue } from "../execution/work_queue.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import type { Claim } from "../execution/claim.ts";
import type { ExecutionResult } from "../execution/result.ts";
import type { StartForkOptions } from "./start_fork.ts";

/** What a worker needs. */
export interface WorkerOptions {
  /** Clock, logs and work queue of one store. */
  readonly store: { readonly clock: Clock; readonly log: ExecutionLog; readonly work: WorkQueue };
  /** Finds the version that an execution was requested with. */
  readonly workflows: { get(id: string, version: number): Promise<CompiledWorkflow | undefined> };
  /** Where the records of forks are read: what the store no longer has may be in an archive. Default the store's log. */
  readonly records?: StartForkOptions["records"];
  /** Unique name of the worker: it stands in `execution.started`. */
  readonly name: string;
  /** How many executions it runs at once. */
  readonly concurrency: number;
  /** Some of the places are kept for what this instance accepts; false by default. */
  readonly localFirst?: boolean;
  /** Workers that an execution may end without progress; 5 by default. */
  readonly maxDeliveries?: number;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  /** Of the expressions with which forks compare calls. */
  readonly limits?: ExpressionLimits;
  /** Called for each execution that ended on this worker. */
  readonly onEnd?: (claim: Claim, result: ExecutionResult, durationMs: number) => void;
  /** Called with errors that end no execution. */
  readonly onError?: (error: unknown, claim?: Claim) => void;
}
