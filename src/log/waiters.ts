/**
 * The callers of this instance that wait for replies: one entry each, whatever carries the replies.
 */
import { MillraceError } from "../errors.ts";
import type { ExecutionResult } from "./port.ts";

interface Waiter {
  resolve(result: ExecutionResult): void;
  release(): void;
}

/** Waiters by execution id. Each is freed by its reply or by its signal, whichever comes first. */
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

  /** Waits for one reply. Throws `too_many_waiters` past the limit, and the signal's reason when it aborts. */
  wait(executionId: string, { signal }: { signal: AbortSignal }): Promise<ExecutionResult> {
    if (this.#waiting.size >= this.#limit) {
      throw new MillraceError("too_many_waiters", `${this.#limit} callers are waiting on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(executionId);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.set(executionId, { resolve, release: () => signal.removeEventListener("abort", onAbort) });
    });
  }

  /** True while somebody waits for this execution. */
  has(executionId: string): boolean {
    return this.#waiting.has(executionId);
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
