/**
 * The calls of this instance that wait for replies, so that all can be answered when it closes: one listener on its
 * signal, whatever the number of calls, because one a request would cost the hot path.
 *
 * @example
 * ```ts
 * const wait = waits.add(() => answerEarly());
 * try { await reply } finally { waits.delete(wait) }
 * ```
 */

/** A call that waits, as {@linkcode OpenWaits.add} has entered it. */
export interface OpenWait {
  readonly close: () => void;
  /** Its place in the list. */
  index: number;
}

/**
 * Calls that wait, by what answers them early.
 *
 * A list, and not a `Set`: a hash table that calls enter and leave at this rate is made anew all the time, its former
 * selves keep what was in them from the young generation's collector, and a request costs half as much again.
 */
export class OpenWaits {
  /** Aborts when the instance closes. */
  readonly signal: AbortSignal | undefined;
  /** Invariant: `#open[wait.index] === wait`. */
  readonly #open: OpenWait[] = [];

  constructor(signal?: AbortSignal) {
    this.signal = signal;
    signal?.addEventListener("abort", () => {
      for (const { close } of [...this.#open]) close();
    }, { once: true });
  }

  /** True once the instance closes: who comes then need not wait. */
  get closed(): boolean {
    return this.signal?.aborted === true;
  }

  /** Calls `close` when the instance closes, at once if it does already. */
  add(close: () => void): OpenWait {
    const wait = { close, index: this.#open.length };
    this.#open.push(wait);
    if (this.closed) close();
    return wait;
  }

  /** Forgets a call that was answered; once for each. */
  delete(wait: OpenWait): void {
    const last = this.#open.pop()!;
    if (last === wait) return;
    last.index = wait.index;
    this.#open[wait.index] = last;
  }
}
