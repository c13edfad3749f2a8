/**
 * The ports of the short way: an execution that the instance which accepts it runs itself, without the work queue.
 *
 * - *Local*: the step that requests an execution also claims it for this instance, under a lease. When the lease lapses,
 *   the execution goes on the work queue, as a delivery that failed.
 * - *Single write*: it is run before anything is written, and then one step writes all of it. What has not ended when its
 *   first events are due to be written is requested then, and goes on as a local one.
 */
import type { CompiledWorkflow } from "../workflow/definition.ts";
import type { Claim } from "./claim.ts";
import type { LogEvent } from "./event.ts";
import type { Acceptance, ExecutionRequest } from "./request.ts";
import type { ExecutionResult } from "./result.ts";

/** What became of a request that was to be claimed in the same step. */
export interface LocalAcceptance extends Acceptance {
  /** Absent: an earlier execution has the key, it waits for a slot, or another has claimed it since. */
  readonly claim?: Claim;
}

/** What an execution came to that was run before it was requested. */
export interface UnwrittenRun {
  /** When it was requested, by the store's clock: milliseconds since the epoch. */
  readonly requestedAt: number;
  /** All events after `execution.requested`, the terminal one last. */
  readonly events: readonly LogEvent[];
  readonly result: ExecutionResult;
}

/** How a store keeps executions that take the short way. Both calls are idempotent by id, and throw what `request` does. */
export interface ShortWay {
  /** As `ExecutionLog.request`, and claims the execution for this instance in the same step. */
  start(request: ExecutionRequest, options?: { requestedAt?: number }): Promise<LocalAcceptance>;

  /**
   * Writes an execution from its request to its result in one step, and answers its waiter. Nothing is written where the
   * idempotency key had made an execution before.
   *
   * @throws {AppendRefusedError} when the log would be larger than its limit: then nothing is written
   */
  record(request: ExecutionRequest, run: UnwrittenRun): Promise<Acceptance>;
}

/** How an execution that was run before it was requested gets to be written. */
export interface UnwrittenWrites {
  /** Writes all of it; false when an earlier execution has its key. */
  record(run: UnwrittenRun): Promise<boolean>;
  /** Requests it, to go on from where it is; `undefined` when it is another's to run. */
  start(requestedAt: number): Promise<Claim | undefined>;
  /** Requests it for whichever worker: nothing of what has run here counts. */
  handOver(): Promise<void>;
}

/** A place on this instance's worker. Exactly one of the three is to be called. */
export interface LocalPlace {
  /** Runs what was claimed for this instance. */
  run(claim: Claim): void;
  /** Runs what is not written yet. */
  runUnwritten(request: ExecutionRequest, writes: UnwrittenWrites): void;
  /** Gives the place up. */
  leave(): void;
}

/** The worker of this very process. */
export interface LocalRunner {
  /** Takes a place for an execution; `undefined` when there is no room. */
  reserve(executionId: string, workflow: CompiledWorkflow): LocalPlace | undefined;

  /**
   * After {@linkcode reserve} found none: waits for a place, at most `mostMs` milliseconds; `undefined` when there is
   * none in time, and at once where places do not come free fast enough. Never rejects.
   */
  wait(executionId: string, workflow: CompiledWorkflow, options: { mostMs: number }): Promise<LocalPlace | undefined>;
}
