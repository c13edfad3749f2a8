/**
 * The memory driver's timers: at most one a key, each due at a time by the clock, however far away.
 */
import { processClock } from "../../lib/clock.ts";
import { LONGEST_DELAY_MS } from "../../lib/delay.ts";

/** Timers by key. None outlives {@linkcode Timers.close}, so none keeps the process alive after its store. */
export class Timers {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #isClosed = false;

  /** Calls `work` at `at` (epoch milliseconds). Replaces the timer that was set under this key. */
  set(key: string, options: { at: number; work: () => void }): void {
    this.clear(key);
    if (this.#isClosed) return;
    const { at, work } = options;
    const delayMs = Math.min(Math.max(0, at - processClock.now()), LONGEST_DELAY_MS);
    const timer = setTimeout(() => {
      // A timer can fire a millisecond early, and one that was cut short fires long before.
      if (processClock.now() < at) return this.set(key, options);
      this.#timers.delete(key);
      work();
    }, delayMs);
    this.#timers.set(key, timer);
  }

  /** Removes the timer of this key. */
  clear(key: string): void {
    const timer = this.#timers.get(key);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#timers.delete(key);
  }

  /** Removes all timers, and sets no more. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
