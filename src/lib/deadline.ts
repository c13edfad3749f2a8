/**
 * Deadlines that are seldom reached. One that is left again soon costs a member of a set; only one that comes near gets
 * a timer.
 *
 * @example
 * ```ts
 * const deadline = new Deadline(30_000, () => reject(new Error("too late")));
 * work().then(resolve, reject).finally(() => deadline.leave());
 * ```
 */
import { LONGEST_DELAY_MS } from "./delay.ts";

/** How often all deadlines are looked at, in milliseconds. */
const LOOK_MS = 200;

/** Those without a timer. */
const far = new Set<Deadline>();
let looking: ReturnType<typeof setInterval> | undefined;

/** A time at which something is called, unless the deadline is left before. */
export class Deadline {
  /** By the monotonic clock, in milliseconds. */
  readonly #at: number;
  #onReached: (() => void) | undefined;
  #onLasting: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param ms milliseconds from now
   * @param onReached called then, once
   * @param options.onLasting called once when this has lasted for a while, a fifth of a second at most: the place for
   * what is dear and which most do without
   */
  constructor(ms: number, onReached: () => void, options: { onLasting?: () => void } = {}) {
    this.#at = performance.now() + ms;
    this.#onReached = onReached;
    this.#onLasting = options.onLasting;
    if (ms < 2 * LOOK_MS && this.#onLasting === undefined) this.#come(ms);
    else {
      far.add(this);
      looking ??= setInterval(look, LOOK_MS);
    }
  }

  /** Nothing is called from now on. */
  leave(): void {
    far.delete(this);
    clearTimeout(this.#timer);
    // What the set leaves behind holds this (see `fleeting_map.ts`), but nothing through it.
    this.#onReached = undefined;
    this.#onLasting = undefined;
  }

  /** Gives it a timer of its own where it is near. */
  look(now: number): void {
    const onLasting = this.#onLasting;
    this.#onLasting = undefined;
    const leftMs = this.#at - now;
    if (leftMs < 2 * LOOK_MS) this.#come(leftMs);
    onLasting?.();
  }

  #come(leftMs: number): void {
    far.delete(this);
    this.#timer = setTimeout(() => this.#onReached?.(), Math.min(Math.max(0, leftMs), LONGEST_DELAY_MS));
  }
}

function look(): void {
  const now = performance.now();
  for (const deadline of far) deadline.look(now);
  if (far.size > 0) return;
  clearInterval(looking);
  looking = undefined;
}
