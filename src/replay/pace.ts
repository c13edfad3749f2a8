/**
 * Replays events with their original intervals, divided by a speed.
 */
import { LONGEST_DELAY_MS, pause } from "../lib/delay.ts";

/** Options of {@linkcode paced}. */
export interface PaceOptions {
  /** How many times faster than recorded; 0: without waiting. */
  readonly speed: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** A monotonic clock in milliseconds; `performance.now` by default. */
  readonly now?: () => number;
  /** Waits; `pause` by default. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Yields each event when it is due. An event whose time steps back is due at once, and a reader that has fallen behind
 * gets overdue events at once. Ends on abort.
 */
export async function* paced<T extends { readonly time: number }>(
  events: AsyncIterable<T>,
  options: PaceOptions,
): AsyncGenerator<T> {
  const { speed, signal, now = () => performance.now(), wait = pause } = options;
  let first: number | undefined;
  let begunAt = 0;
  for await (const event of events) {
    if (first === undefined) {
      first = event.time;
      begunAt = now();
    }
    const dueAt = speed === 0 ? begunAt : begunAt + (event.time - first) / speed;
    for (let leftMs = dueAt - now(); leftMs > 0 && !signal.aborted; leftMs = dueAt - now()) {
      await wait(Math.min(leftMs, LONGEST_DELAY_MS), signal);
    }
    if (signal.aborted) return;
    yield event;
  }
}
