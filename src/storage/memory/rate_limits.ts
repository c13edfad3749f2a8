/**
 * Counts of calls in memory: the times of those in the window, for each name.
 */
import {
  type Admission,
  LATE_TURN_MS,
  LINE_PLACES,
  type RateLimit,
  type RateLimits,
  type Turn,
} from "../../execution/rate_limits.ts";
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
  /** When the newest has left, and the last place in line is lost. */
  endsAt: number;
  /** Those in line, and when each will probably be let through. */
  line: { readonly ticket: string; dueAt: number }[];
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

  // These are `async`, so that a refusal is a rejection; nothing is awaited, so that each is one step.
  // deno-lint-ignore require-await
  async admit(name: string, { limit, perSeconds }: RateLimit): Promise<Admission> {
    const now = this.#now();
    const lengthMs = perSeconds * 1000;
    const window = this.#open(name, now, lengthMs);
    const count = window.times.length - window.first;
    const admitted = count < limit;
    if (admitted) this.#count(name, window, { now, lengthMs });
    const oldest = window.times[window.first] ?? now;
    return {
      admitted,
      remaining: Math.max(0, limit - count - (admitted ? 1 : 0)),
      resetMs: Math.max(1, Math.ceil(oldest + lengthMs - now)),
    };
  }

  // deno-lint-ignore require-await
  async turn(
    name: string,
    { limit, perSeconds }: RateLimit,
    ticket: string,
    { keepsPlace = true }: { keepsPlace?: boolean } = {},
  ): Promise<Turn> {
    const now = this.#now();
    const lengthMs = perSeconds * 1000;
    const window = this.#open(name, now, lengthMs);
    const { times, first, line } = window;
    const count = times.length - first;
    const at = line.findIndex((each) => each.ticket === ticket);
    const place = at < 0 ? line.length : at;
    if (place < limit - count) {
      if (at >= 0) line.splice(at, 1);
      this.#count(name, window, { now, lengthMs });
      return { admitted: true, waitMs: 0 };
    }
    // As many calls as this, those of waiters ahead included, have to leave the window first.
    const nth = place - (limit - count);
    const leaves = (nth < count ? times[first + nth]! : line[nth - count]!.dueAt) + lengthMs;
    // Somebody has not come in time, by a second: it is worth asking again when that place is lost.
    const others = line.filter((each) => each.ticket !== ticket).map(({ dueAt }) => dueAt);
    const latest = Math.min(...others.filter((dueAt) => dueAt < now - 1000)) + LATE_TURN_MS + 1;
    const dueAt = Math.max(Math.min(leaves, latest), now + 1);
    if (place < (keepsPlace ? LINE_PLACES : 0)) {
      if (at >= 0) line[at]!.dueAt = dueAt;
      else line.push({ ticket, dueAt });
      this.#windows.set(name, window);
      window.endsAt = Math.max(window.endsAt, dueAt + LATE_TURN_MS);
    }
    return { admitted: false, waitMs: Math.ceil(dueAt - now) };
  }

  /** The window of a name as it is now. */
  #open(name: string, now: number, lengthMs: number): Window {
    if (++this.#sinceSweep >= SWEEP_EVERY) this.#sweep(now);
    const window = this.#windows.get(name) ?? { times: [], first: 0, endsAt: 0, line: [] };
    this.#drop(window, now - lengthMs);
    if (window.line.length > 0) window.line = window.line.filter(({ dueAt }) => dueAt + LATE_TURN_MS > now);
    return window;
  }

  /** Counts a call. Throws where there is no room for it. */
  #count(name: string, window: Window, { now, lengthMs }: { now: number; lengthMs: number }): void {
    if (this.#calls >= MAX_CALLS || (this.#windows.size >= MAX_NAMES && !this.#windows.has(name))) {
      this.#sweep(now);
      if (this.#calls >= MAX_CALLS || this.#windows.size >= MAX_NAMES) throw noRoom();
    }
    this.#windows.set(name, window);
    window.times.push(now);
    window.endsAt = Math.max(window.endsAt, now + lengthMs);
    this.#calls++;
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
