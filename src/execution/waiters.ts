/**
 * The registry of the callers of this instance that wait for replies: one entry a caller, the same for every driver.
 */
import { MillraceError } from "../lib/errors.ts";
import type { ExecutionResult } from "./result.ts";

interface Waiter {
  resolve(result: ExecutionResult): void;
  reject(reason: unknown): void;
  /** The request was appended: the store has the execution from then on, until it ends. */
  isAppended: boolean;
  /** When the store was last asked whether it still has the execution: monotonic clock, milliseconds. */
  lookedAt: number;
  release(): void;
}

/** Waiters by execution id. A waiter is freed by its reply, its signal or its deadline, whichever comes first. */
export class Waiters {
  readonly #limit: number;
  readonly #waiting = new Map<string, Waiter>();

  constructor(options: { limit: number }) {
    this.#limit = options.limit;
  }

  /** How many callers wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  /** The ids of the executions that are waited for. */
  ids(): string[] {
    return [...this.#waiting.keys()];
  }

  /**
   * Waits for one reply. Throws `too_many_waiters` past the limit; rejects with the signal's reason when it aborts,
   * and with a `TimeoutError` (a `DOMException`) after `timeoutMs`.
   */
  wait(executionId: string, options: { signal: AbortSignal; timeoutMs?: number }): Promise<ExecutionResult> {
    const { signal, timeoutMs } = options;
    if (this.#waiting.size >= this.#limit) {
      throw new MillraceError("too_many_waiters", `${this.#limit} callers are waiting on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        release();
        this.#waiting.delete(executionId);
        reject(reason);
      };
      const onAbort = () => giveUp(signal.reason);
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => giveUp(timeoutError()), timeoutMs);
      const release = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      };
      signal.addEventListener("abort", onAbort);
      this.#waiting.set(executionId, {
        resolve,
        reject: giveUp,
        release,
        isAppended: false,
        lookedAt: performance.now(),
      });
    });
  }

  /** True while somebody waits for this execution. */
  has(executionId: string): boolean {
    return this.#waiting.has(executionId);
  }

  /** Marks a waiter's request as appended; does nothing if nobody waits for the execution. */
  appended(executionId: string): void {
    const waiter = this.#waiting.get(executionId);
    if (waiter !== undefined) waiter.isAppended = true;
  }

  /** True while somebody waits for an execution that was appended. */
  isAppended(executionId: string): boolean {
    return this.#waiting.get(executionId)?.isAppended ?? false;
  }

  /**
   * At most `most` ids of appended executions that were not checked for `everyMs` milliseconds; marks them as checked
   * now.
   */
  due(options: { everyMs: number; most: number }): string[] {
    const now = performance.now();
    const ids: string[] = [];
    for (const [id, waiter] of this.#waiting) {
      if (ids.length === options.most) break;
      if (!waiter.isAppended || now - waiter.lookedAt < options.everyMs) continue;
      waiter.lookedAt = now;
      ids.push(id);
    }
    return ids;
  }

  /** Rejects a waiter. */
  fail(executionId: string, reason: unknown): void {
    this.#waiting.get(executionId)?.reject(reason);
  }

  /** Frees a place without settling its promise. */
  abandon(executionId: string): void {
    this.#waiting.get(executionId)?.release();
    this.#waiting.delete(executionId);
  }

  /** Hands a reply to its waiter; false if nobody waits any more. */
  reply(result: ExecutionResult): boolean {
    const waiter = this.#waiting.get(result.executionId);
    if (waiter === undefined) return false;
    this.#waiting.delete(result.executionId);
    waiter.release();
    waiter.resolve(result);
    return true;
  }
}

/** As `AbortSignal.timeout` gives it (DOM, section 3.3). */
function timeoutError(): DOMException {
  return new DOMException("No reply came in time", "TimeoutError");
}
