/**
 * How long from one attempt to connect to the next: it doubles to a second, with jitter, and starts over once a link
 * has held for two seconds. A link that is made and lost again and again (to a replica that stays READONLY) is therefore
 * no hot loop.
 */

/** From one attempt to the next, in milliseconds, and how long a link must hold for that to start over. */
const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 1000;
const STABLE_MS = 2000;

/** The attempts of one connection. */
export class Backoff {
  /** When the last attempt began. */
  #startedAt = 0;
  /** Links lost in a row without one that held. */
  #losses = 0;

  /** An attempt begins. */
  start(): void {
    this.#startedAt = performance.now();
  }

  /** A link has held for `ms`. */
  held(ms: number): void {
    if (ms > STABLE_MS) this.#losses = 0;
  }

  /** A link is lost, or was not made: how long to wait before the next attempt, in milliseconds. */
  lose(): number {
    const everyMs = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#losses++, 6));
    const delayMs = Math.max(FIRST_DELAY_MS, everyMs - (performance.now() - this.#startedAt));
    return delayMs * (0.75 + Math.random() / 4);
  }
}
