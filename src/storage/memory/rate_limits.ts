/**
 * Counts of calls in memory: the times of those in the window, for each name.
 */
import type { Admission, RateLimit, RateLimits } from "../../execution/rate_limits.ts";
import { noRoom } from "../store_rules.ts";

/** Calls that are remembered at once, and names; eight bytes each and a little. */
const MAX_CALLS = 2_000_000;
const MAX_NAMES = 100_000;
/** Admissions after which names without calls in their window are forgotten. */
const SWEEP_EVERY = 10_000;

interface Window {
  /** When each call came, by the monotonic clock, the oldest at `first`. */
  times: number[];
  first: number;
  /** When the newest has left. */
  endsAt: number;
}

/** {@linkcode RateLimits} in memory. */
export class MemoryRateLimits implements RateLimits {
  readonly #windows = new Map<string, Window>();
  readonly #now: () => number;
  #calls = 0;
  #sinceSweep = 0;

  constructor({ now = () => performance.now() }: { now?: () => number } = {}) {
    this.#now = now;
  }

  admit(name: string, { limit, perSeconds }: RateLimit): Promise<Admission> {
    const now = this.#now();
    const lengthMs = perSeconds * 1000;
    if (++this.#sinceSweep >= SWEEP_EVERY) this.#sweep(now);
    const window = this.#windows.get(name) ?? { times: [], first: 0, endsAt: 0 };
    this.#drop(window, now - lengthMs);
    const count = window.times.length - window.first;
    const admitted = count < limit;
    if (admitted) {
      if (this.#calls >= MAX_CALLS || (this.#windows.size >= MAX_NAMES && !this.#windows.has(name))) {
        this.#sweep(now);
        if (this.#calls >= MAX_CALLS || this.#windows.size >= MAX_NAMES) return Promise.reject(noRoom());
      }
      this.#windows.set(name, window);
      window.times.push(now);
      window.endsAt = now + lengthMs;
      this.#calls++;
    }
    const oldest = window.times[window.first] ?? now;
    return Promise.resolve({
      admitted,
      remaining: Math.max(0, limit - count - (admitted ? 1 : 0)),
      resetMs: Math.max(1, Math.ceil(oldest + lengthMs - now)),
    });
  }

  /** Takes the calls out of a window that came no later than a time. */
  #drop(window: Window, until: number): void {
    const { first, times } = window;
    while (window.first < times.length && times[window.first]! <= until) window.first++;
    this.#calls -= window.first - first;
    if (window.first * 2 > times.length) {
      window.times = times.slice(window.first);
      window.first = 0;
    }
  }

  #sweep(now: number): void {
    this.#sinceSweep = 0;
    for (const [name, window] of this.#windows) {
      if (window.endsAt > now) continue;
      this.#calls -= window.times.length - window.first;
      this.#windows.delete(name);
    }
  }
}
