/**
 * Shares one stream reader among many readers of the same streams, each with a cursor of its own.
 *
 * Invariants:
 * 1. A stream that several follow is read once.
 * 2. The shared cursor is set back to the slowest subscriber's; the others drop entries that they have had.
 * 3. Nobody holds more than `BUFFER` entries, or `BUFFER_CHARACTERS` of them and one entry: who is slower than the
 *    stream drops what comes, and reads it again; or hears of a loss, where it has been trimmed meanwhile.
 */
import { waitFor } from "../../../lib/delay.ts";
import { MillraceError } from "../../../lib/errors.ts";
import { compareEntryIds } from "../../../lib/entry_id.ts";
import type { StreamReader } from "./stream_reader.ts";
import type { StreamEntry } from "./stream_replies.ts";

/** How many entries a subscription holds for its reader, and how many characters of them. */
const BUFFER = 2000;
const BUFFER_CHARACTERS = 2 ** 20;

/** One reader of one stream. */
export interface Subscription {
  /** What has come since the last call, waiting for it at most `timeoutMs`; empty then, on abort and after a loss. */
  next(options: { signal: AbortSignal; timeoutMs: number }): Promise<StreamEntry[]>;
  /** True once after entries may have been lost: the stream is gone, or shorter than it was, or was trimmed. */
  takeLoss(): boolean;
  close(): void;
}

/** Takes part in the reading of one stream. */
class Taker {
  cursor: string;
  buffer: StreamEntry[] = [];
  characters = 0;
  isLost = false;
  /** Entries were dropped: they must be read again. */
  isBehind = false;
  /** The first that was dropped, with which it goes on. */
  dropped: string | undefined;
  wake: (() => void) | undefined;

  constructor(cursor: string) {
    this.cursor = cursor;
  }

  take(entries: readonly StreamEntry[], sizes: readonly number[]): void {
    for (const [i, entry] of entries.entries()) {
      if (compareEntryIds(entry.id, this.cursor) <= 0) continue;
      this.isBehind ||= this.buffer.length >= BUFFER || this.characters >= BUFFER_CHARACTERS;
      if (this.isBehind) {
        this.dropped ??= entry.id;
        break;
      }
      this.isLost ||= this.dropped !== undefined && this.dropped !== entry.id;
      this.dropped = undefined;
      this.cursor = entry.id;
      this.buffer.push(entry);
      this.characters += sizes[i]!;
    }
    this.wake?.();
  }

  /** Hands out what there is. */
  empty(): StreamEntry[] {
    const { buffer } = this;
    this.buffer = [];
    this.characters = 0;
    return buffer;
  }

  lose(cursor: string): void {
    this.isLost = true;
    this.dropped = undefined;
    if (compareEntryIds(cursor, this.cursor) < 0) this.cursor = cursor;
    this.wake?.();
  }
}

/** Subscriptions over one blocked connection. */
export class Subscriptions {
  readonly #reader: StreamReader;
  readonly #limit: number;
  readonly #takers = new Map<string, Set<Taker>>();

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
    const taker = new Taker(after);
    takers.add(taker);
    this.#takers.set(stream, takers);
    this.#follow(stream);
    return {
      next: async ({ signal, timeoutMs }) => {
        if (taker.buffer.length === 0 && !taker.isLost) {
          await waitFor((done) => {
            taker.wake = done;
            return () => taker.wake = undefined;
          }, { signal, timeoutMs });
        }
        const entries = taker.empty();
        if (taker.isBehind) {
          taker.isBehind = false;
          this.#follow(stream);
        }
        return signal.aborted ? [] : entries;
      },
      takeLoss: () => {
        const { isLost } = taker;
        taker.isLost = false;
        return isLost;
      },
      close: () => {
        takers.delete(taker);
        if (takers.size > 0 || this.#takers.get(stream) !== takers) return;
        this.#takers.delete(stream);
        this.#reader.unfollow(stream);
      },
    };
  }

  /** Resumes from the slowest subscriber's cursor; one that is behind comes back for what it missed. */
  #follow(stream: string): void {
    const takers = this.#takers.get(stream);
    if (takers === undefined) return;
    const [first = "0-0", ...others] = [...takers].filter(({ isBehind }) => !isBehind).map(({ cursor }) => cursor);
    const cursor = others.reduce((least, other) => compareEntryIds(other, least) < 0 ? other : least, first);
    this.#reader.follow(
      stream,
      cursor,
      (entries) => {
        const sizes = entries.map(sizeOf);
        for (const taker of takers) taker.take(entries, sizes);
      },
      (lost) => {
        for (const taker of takers) taker.lose(lost);
      },
    );
  }
}

function sizeOf({ words }: StreamEntry): number {
  return words.reduce((characters, { length }) => characters + length, 0);
}
