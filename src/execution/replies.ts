/**
 * The port of replies: the callers that wait on this instance, for executions that it or another instance starts.
 *
 * @example
 * ```ts
 * const waiter = replies.wait(executionId, { timeoutMs: 30_000, signal: () => signal });
 * await log.request({ ...request, replyTo: replies.instance });
 * const { result, interrupted } = await waiter.reply;
 * ```
 */
import type { ExecutionResult } from "./result.ts";

/** Why a wait ended without a result; the execution runs on. */
export type Interruption = "deadline" | "caller gone" | "closing";

/** What a wait came to. */
export type Reply =
  | { readonly result: ExecutionResult; readonly interrupted?: undefined }
  | { readonly result?: undefined; readonly interrupted: Interruption };

/** How long somebody waits. */
export interface ReplyWait {
  /** From now, in milliseconds. */
  readonly timeoutMs: number;
  /** Aborts when the caller disconnects. */
  readonly signal?: AbortSignal | undefined;
}

/** How long a caller waits for an execution that it starts. */
export interface CallerWait extends Omit<ReplyWait, "signal"> {
  /** Gives the signal that aborts when the caller disconnects. Asked for once the wait lasts: making it costs. */
  readonly signal?: (() => AbortSignal) | undefined;
}

/** A caller that waits for the reply to an execution that is about to be requested. */
export interface Waiter {
  /** Rejects with `execution_lost` when the store lost the execution. Stays pending once it was abandoned. */
  readonly reply: Promise<Reply>;
  /** Set when the wait has ended without a result. */
  readonly interrupted: Interruption | undefined;
  /** Called once when the wait ends at its deadline. */
  onDeadline: (() => void) | undefined;
  /** Gives the place up; does nothing once the wait has ended. */
  abandon(): void;
}

/** A follower that reads the log of an execution until it ends. */
export interface Follower {
  /** Aborts when the wait ends. */
  readonly signal: AbortSignal;
  /** Set when the wait has ended. */
  readonly interrupted: Interruption | undefined;
  /** Gives the place up. */
  end(): void;
}

/** The waiters of this instance. */
export interface Replies {
  /** The name under which this instance gets replies: what a request says to be replied to. */
  readonly instance: string;
  /** How many wait for executions that were started here. */
  readonly size: number;
  /** True once {@linkcode close} was called. */
  readonly closed: boolean;

  /**
   * Registers a waiter. Register before the request: a reply without a waiter is dropped.
   *
   * @throws {MillraceError} `too_many_waiters`, `shutting_down`
   */
  wait(executionId: string, options: CallerWait): Waiter;

  /** Registers a follower of a log. */
  follow(options: ReplyWait): Follower;

  /** Ends every wait with this reason. From then on new executions cannot be waited for (`shutting_down`). */
  close(reason: Interruption): void;
}
