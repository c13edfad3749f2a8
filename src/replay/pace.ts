/**
 * History in its own rhythm: each event comes when it came, counted from the first, so many times faster.
 */
import { LONGEST_DELAY_MS, pause } from "../lib/delay.ts";

/** What {@linkcode paced} takes. */
export interface PaceOptions {
  /** How many times faster than it was; 0: at once. */
  readonly speed: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Milliseconds that only grow; `performance.now` by default. */
  readonly now?: () => number;
  /** Waits; `pause` by default. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Gives events when they are due. Times that step back wait for nothing, and who takes events late is given the next
 * ones at once. Ends on abort.
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
