/**
 * Shares one stream reader among many readers of the same streams, each with a cursor of its own.
 *
 * Invariants:
 * 1. A stream that several follow is read once.
 * 2. The shared cursor goes back to the one who has read least; the others drop what they know: no gap, no repeat.
 */
import { MillraceError } from "../errors.ts";
import { compareEntryIds } from "../log/event.ts";
import type { StreamEntry, StreamReader } from "./stream_reader.ts";

/** One reader of one stream. */
export interface Subscription {
  /** What has come since the last call, waiting for it at most `timeoutMs`; empty then, and on abort. */
  next(options: { signal: AbortSignal; timeoutMs: number }): Promise<StreamEntry[]>;
  close(): void;
}

/** Subscriptions over one blocked connection. */
export class Subscriptions {
  readonly #reader: StreamReader;
  readonly #limit: number;
  readonly #takers = new Map<string, Set<(entries: StreamEntry[]) => void>>();

  constructor(reader: StreamReader, options: { limit: number }) {
    this.#reader = reader;
    this.#limit = options.limit;
  }

  /** Follows a stream from behind `after`. Throws `too_many_waiters` past the limit of streams. */
  subscribe(stream: string, after: string): Subscription {
    const takers = this.#takers.get(stream) ?? new Set();
    if (takers.size === 0 && this.#takers.size >= this.#limit) {
      throw new MillraceError("too_many_waiters", `${this.#limit} streams are followed on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    let cursor = after;
    let buffer: StreamEntry[] = [];
    let wake: (() => void) | undefined;
    const take = (entries: StreamEntry[]) => {
      for (const entry of entries) {
        if (compareEntryIds(entry.id, cursor) <= 0) continue;
        cursor = entry.id;
        buffer.push(entry);
      }
      wake?.();
    };
    takers.add(take);
    this.#takers.set(stream, takers);
    this.#reader.follow(stream, after, (entries) => {
      for (const taker of takers) taker(entries);
    });
    return {
      next: async ({ signal, timeoutMs }) => {
        if (buffer.length === 0) await wakeUp((resolve) => wake = resolve, { signal, timeoutMs });
        wake = undefined;
        const entries = buffer;
        buffer = [];
        return signal.aborted ? [] : entries;
      },
      close: () => {
        takers.delete(take);
        if (takers.size > 0) return;
        this.#takers.delete(stream);
        this.#reader.unfollow(stream);
      },
    };
  }
}

function wakeUp(
  set: (resolve: () => void) => void,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
    signal.addEventListener("abort", done, { once: true });
    set(done);
  });
}
