/**
 * The port of the work queue: how workers take, advance and end executions.
 */
import type { Claim } from "./claim.ts";
import type { WaitOptions } from "./log.ts";
import type { ExecutionResult } from "./result.ts";
import type { LogEvent } from "./event.ts";

/** How workers take, advance and end executions. */
export interface WorkQueue {
  /**
   * Takes at most `count` executions, waiting for the first one at most `blockMs`; empty on abort. At most `suspects` of
   * them, all by default, are taken over from workers that went without a word; those go before what is new.
   */
  take(options: WaitOptions & { count: number; suspects?: number; blockMs: number }): Promise<Claim[]>;

  /**
   * Says that a suspect's turn has come: if this worker ends from now on, that counts as one more delivery that failed.
   * Whatever is no suspect has begun when it is taken. Throws `FencedError` as {@linkcode append} does.
   */
  begin(claim: Claim): Promise<void>;

  /**
   * Appends events when the log has `sequence` entries and the epoch is the claim's; `reply` goes to the caller's
   * inbox in the same step. Says whether the execution has been paused meanwhile. Throws `FencedError` when the claim
   * is no longer the newest or the execution has ended, and `AppendRefusedError` when there is no room for the events:
   * then nothing was appended, the claim still stands, and the terminal event alone will be taken.
   */
  append(claim: Claim, options: AppendOptions): Promise<{ paused: boolean }>;

  /**
   * Appends events and gives the claim up until `delayMs` from now, or the execution's deadline if that comes first:
   * then it goes back on the work stream. With `forPause` it waits for `ExecutionLog.resume` instead;
   * `"resumed"`: that came first, nothing was appended, and the claim still stands.
   */
  suspend(claim: Claim, options: SuspendOptions): Promise<"suspended" | "resumed">;

  /**
   * Appends the terminal event (the last of `events`), stores the result, replies to the inbox, sets the expiries that
   * the request named, frees the slot, acknowledges and deletes the work entry: one step.
   */
  finish(claim: Claim, options: FinishOptions): Promise<void>;

  /**
   * Says that this process no longer runs what it claimed: the lease lapses and another claim takes it over. `cutOff`:
   * only because the store could not be reached; it may be claimed again as soon as that is over.
   */
  release(claim: Claim, options?: { cutOff?: boolean }): void;

  /** Puts a claim back on the work stream at once, for another worker; not counted as a delivery that failed. */
  requeue(claim: Claim): Promise<void>;

  /** Calls back with what happens from outside to executions that may run here. */
  onControl(listener: (executionId: string, message: ControlMessage) => void): void;
}

/** `lost`: it was ended from outside, or its claim went to another. */
export type ControlMessage = "lost" | "paused" | "resumed";

/** What {@linkcode WorkQueue.append} takes. */
export interface AppendOptions {
  /** The number of entries that the log must have before. */
  readonly sequence: number;
  /** The events to append, in their order. */
  readonly events: readonly LogEvent[];
  /** Sent to the caller who waits, in the same step; absent: nobody is answered yet. */
  readonly reply?: ExecutionResult;
}

/** What {@linkcode WorkQueue.suspend} takes. */
export interface SuspendOptions extends Omit<AppendOptions, "reply"> {
  /** After how many milliseconds the execution goes on. */
  readonly delayMs: number;
  /** Suspends only while the execution is paused; false by default. */
  readonly forPause?: boolean;
}

/** What {@linkcode WorkQueue.finish} takes. */
export interface FinishOptions extends Omit<AppendOptions, "reply"> {
  /** The end of the execution: stored with its TTL and sent to the caller who waits. */
  readonly result: ExecutionResult;
  /** Keeps the request as a dead letter, with the error of the result; false by default. */
  readonly deadLetter?: boolean;
}
