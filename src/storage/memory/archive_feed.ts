/**
 * The memory driver's feed as its archiver reads it: from where it was, within what the feed keeps.
 */
import { processClock } from "../../lib/clock.ts";
import { entryTime } from "../../lib/entry_id.ts";
import type { WaitOptions } from "../../execution/log.ts";
import type { ArchiveFeed, Backlog } from "../../feed/archive_feed.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import { indexAfter, type MemoryState } from "./state.ts";

/** {@linkcode ArchiveFeed} in memory, for one archiver. */
export class MemoryArchiveFeed implements ArchiveFeed {
  readonly #state: MemoryState;
  /** The last entry that was acknowledged, and the last that was taken. */
  #done: string | undefined;
  #taken: string | undefined;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    const { signal, count, blockMs } = options;
    if (indexAfter(this.#state.feed, this.#taken) === this.#state.feed.length) {
      await this.#state.change("feed", { signal, timeoutMs: blockMs });
    }
    if (signal.aborted) return [];
    const from = indexAfter(this.#state.feed, this.#taken);
    const entries = this.#state.feed.slice(from, from + count);
    this.#taken = entries.at(-1)?.id ?? this.#taken;
    return entries;
  }

  again(): void {
    this.#taken = this.#done;
  }

  done(entries: readonly FeedEntry[]): Promise<void> {
    this.#done = entries.at(-1)?.id ?? this.#done;
    return Promise.resolve();
  }

  backlog(): Promise<Backlog> {
    const from = indexAfter(this.#state.feed, this.#done);
    const entries = this.#state.feed.length - from;
    const oldest = this.#state.feed[from];
    const oldestMs = oldest === undefined ? 0 : Math.max(0, processClock.now() - entryTime(oldest.id));
    return Promise.resolve({ entries, oldestMs });
  }
}
