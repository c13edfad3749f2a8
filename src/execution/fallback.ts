/**
 * Goes on in memory while the store is away, and brings what ran there back to it.
 *
 * Invariants:
 * 1. What the store is known not to have started goes to memory at once; what it may have started, or has accepted and
 *    does not answer, only once it has been away for {@linkcode LOST_AFTER_MS}, and under the same id.
 * 2. An execution is in the books of exactly one session until it is written to the store, or has expired.
 * 3. A session that hands over takes nothing new: its worker has stopped, so its logs no longer change.
 * 4. What the store has already is not overwritten: that it ran in both places is counted and told.
 */
import type { Accepting, FallbackSession } from "./fallback_session.ts";
import { type ErrorCode, MillraceError } from "../lib/errors.ts";
import { pause } from "../lib/delay.ts";
import type { Mutable } from "../lib/mutable.ts";
import { type FallbackCounts, type FallbackReport, handOver } from "./hand_over.ts";
import type { Arrivals } from "./arrivals.ts";
import { LosableCall } from "./losable_call.ts";
import { mayFallBack } from "./may_fall_back.ts";
import type { Interruption, Reply } from "./replies.ts";
import { executionIdOf, type Submission, type SubmissionWait, type Submit, type Submitted } from "./submit.ts";

/** How often it is looked whether the store is there, in milliseconds. */
const LOOK_MS = 100;
/** After how long what may be under way in the store runs in memory too, in milliseconds. */
const LOST_AFTER_MS = 1000;
/** Errors that say that the store is away. */
const AWAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["unavailable", "outcome_unknown", "execution_lost"]);

/** What a {@linkcode Fallback} is made of. */
export interface FallbackOptions {
  /** The store's own way. */
  readonly submit: Submit;
  /** True while the store does not answer. */
  readonly isAway: () => boolean;
  /** Writes what ran in memory into the store once it is back. */
  readonly arrivals: Arrivals;
  /** Waits for an execution on its log in the store. */
  readonly follow: (executionId: string, options: { timeoutMs: number; replyEarly: boolean }) => Promise<Reply>;
  /** Opens the memory for one outage, given the bytes that it may have. */
  readonly open: (options: { bytes: number }) => FallbackSession;
  /** Executions that may be in memory at once, over all sessions. */
  readonly maxExecutions: number;
  /** Bytes that they may take. */
  readonly maxBytes: number;
  /** Called with executions that ran in both places, and with errors in the background. */
  readonly onReport: (report: FallbackReport) => void;
}

/** What `/health` shows. */
export interface FallbackHealth extends FallbackCounts {
  readonly status: "active" | "handing over" | "idle";
  /** How much is in memory now, and the bounds. */
  readonly executions: number;
  readonly bytes: number;
  readonly maxExecutions: number;
  readonly maxBytes: number;
}

/** Starts executions wherever they can run. */
export class Fallback {
  readonly #options: FallbackOptions;
  readonly #stop = new AbortController();
  readonly #counts = { ranTwice: 0, keysUsedTwice: 0 };
  /** The one that takes new executions, while the store is away. */
  #session: FallbackSession | undefined;
  /** Those that hand over what they have. */
  readonly #leaving = new Set<FallbackSession>();
  #awaySince: number | undefined;
  /** What the store has, or may have, and nobody has heard the end of. */
  readonly #calls = new Set<LosableCall>();
  #loop: Promise<void> | undefined;
  #handingOver: Promise<void> | undefined;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#look();
  }

  /** Ends the sessions: what they still run, they hand over if the store is there. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    if (this.#session !== undefined) this.#leave();
    if (!this.#options.isAway()) await this.#handOver();
    await Promise.all([...this.#leaving].map((session) => session[Symbol.asyncDispose]()));
  }

  /** Ends every wait with this reason. */
  closeReplies(reason: Interruption): void {
    for (const session of [this.#session, ...this.#leaving]) session?.closeReplies(reason);
  }

  /** Whether executions go to memory now. */
  get active(): boolean {
    return this.#options.isAway();
  }

  /** The session that has the execution, for those who read it. */
  sessionOf(executionId: string): FallbackSession | undefined {
    return [this.#session, ...this.#leaving].find((session) => session?.has(executionId));
  }

  health(): FallbackHealth {
    const { maxExecutions, maxBytes } = this.#options;
    const { executions, bytes } = this.#used();
    const status = this.active ? "active" : executions > 0 ? "handing over" : "idle";
    return { status, executions, bytes, maxExecutions, maxBytes, ...this.#counts };
  }

  /** As {@linkcode Submit}; what goes to memory says so. */
  readonly submit: Submit = async (submission) => {
    const { submit, isAway } = this.#options;
    if (!mayFallBack(submission)) return await submit(submission);
    if (isAway()) return await this.#inMemory(submission);
    this.#noticeBack();
    const startedAt = performance.now();
    const call = new LosableCall(submission.signal);
    this.#calls.add(call);
    try {
      const submitted = await submit({ ...submission, signal: () => call.signal });
      if (submitted.reply !== undefined) return this.#watched(submitted, submission, { call, startedAt });
      this.#calls.delete(call);
      return submitted;
    } catch (error) {
      this.#calls.delete(call);
      if (submission.signal?.().aborted || !isAwayError(error)) throw error;
      return await this.#inMemory(submission, { executionId: executionIdOf(error), startedAt });
    }
  };

  /** Callers that wait for the store's reply get it from memory once the store is lost. */
  #watched(submitted: Submitted, submission: Submission, since: { call: LosableCall; startedAt: number }): Submitted {
    const { call, startedAt } = since;
    const watched: Mutable<Submitted> = { ...submitted };
    const wait = async (): Promise<Reply> => {
      try {
        const reply = await submitted.reply!;
        if (reply.interrupted !== "caller gone" || !call.isLost || submission.signal?.().aborted) return reply;
      } catch (error) {
        if (submission.signal?.().aborted || !(call.isLost && isAwayError(error))) throw error;
      } finally {
        this.#calls.delete(call);
      }
      const again = await this.#inMemory(submission, { executionId: submitted.executionId, startedAt });
      watched.durability = "memory";
      return await again.reply!;
    };
    watched.reply = wait();
    watched.reply.catch(() => {});
    return watched;
  }

  async #inMemory(
    submission: Submission,
    { executionId, startedAt }: { executionId?: string | undefined; startedAt?: number } = {},
  ): Promise<Submitted> {
    const { maxExecutions, maxBytes, open } = this.#options;
    const used = this.#used();
    if (used.executions >= maxExecutions || used.bytes >= maxBytes) throw noRoomInMemory();
    this.#session ??= open({ bytes: maxBytes - used.bytes });
    const { wait } = submission;
    const left = wait && startedAt !== undefined
      ? { ...wait, timeoutMs: Math.max(1, wait.timeoutMs - (performance.now() - startedAt)) }
      : wait;
    const { signal: gone } = submission;
    const moved = new AbortController();
    const signal = () => gone === undefined ? moved.signal : AbortSignal.any([gone(), moved.signal]);
    const accepting: Accepting = { ...submission, signal, wait: left, executionId };
    const session = this.#session;
    const submitted = await session.submit(accepting);
    const kept = { ...submitted, durability: "memory" } as const;
    if (submitted.reply === undefined || left === undefined) return kept;
    return { ...kept, reply: this.#replyOf(session, kept, { ...left, endWait: () => moved.abort() }) };
  }

  /** The reply from memory; from the store where the execution moved there before it ended. */
  async #replyOf(
    session: FallbackSession,
    { executionId, reply }: Submitted,
    { timeoutMs, replyEarly = false, endWait }: SubmissionWait & { readonly endWait: () => void },
  ): Promise<Reply> {
    const until = performance.now() + timeoutMs;
    const first = await session.settled(executionId, reply!);
    if (first !== "moved") return first;
    endWait();
    return await this.#options.follow(executionId, { timeoutMs: Math.max(1, until - performance.now()), replyEarly });
  }

  #used(): { executions: number; bytes: number } {
    const sessions = [...this.#leaving, ...(this.#session === undefined ? [] : [this.#session])];
    return {
      executions: sessions.reduce((sum, session) => sum + session.size, 0),
      bytes: sessions.reduce((sum, session) => sum + session.bytes, 0),
    };
  }

  async #look(): Promise<void> {
    const { isAway, onReport } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (isAway()) {
        if (this.#awaySince === undefined) onReport({ what: "away" });
        this.#awaySince ??= performance.now();
        const areLost = performance.now() - this.#awaySince >= LOST_AFTER_MS;
        if (areLost) { for (const call of this.#calls) call.lose(); }
      } else {
        this.#noticeBack();
        if (this.#session !== undefined) this.#leave();
        if (this.#leaving.size > 0) {
          this.#handingOver ??= this.#handOver().finally(() => this.#handingOver = undefined);
        }
      }
      await pause(LOOK_MS, signal);
    }
    await this.#handingOver;
  }

  /** Called by whoever sees first that the store is there: the next outage is one of its own. */
  #noticeBack(): void {
    if (this.#awaySince === undefined) return;
    this.#awaySince = undefined;
    this.#options.onReport({ what: "back" });
  }

  #leave(): void {
    this.#leaving.add(this.#session!);
    this.#session = undefined;
  }

  async #handOver(): Promise<void> {
    for (const session of this.#leaving) {
      const isEmpty = await handOver(session, { ...this.#options, counts: this.#counts });
      if (isEmpty) this.#leaving.delete(session);
      else await pause(LOOK_MS, this.#stop.signal);
    }
  }
}

function isAwayError(error: unknown): boolean {
  return error instanceof MillraceError && AWAY.has(error.code);
}

function noRoomInMemory(): MillraceError {
  const message = "The store is away, and the memory of this instance is full: nothing was started";
  return new MillraceError("unavailable", message, { headers: { "retry-after": "5" } });
}
