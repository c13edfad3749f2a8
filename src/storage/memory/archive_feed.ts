/**
 * The memory driver's feed as its archiver reads it: from where it was, within what the feed keeps.
 */
import { processClock } from "../../lib/clock.ts";
import { entryTime } from "../../lib/entry_id.ts";
import type { WaitOptions } from "../../execution/log.ts";
import type { ArchiveFeed, Backlog } from "../../feed/archive_feed.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import type { MemoryState } from "./state.ts";

/** {@linkcode ArchiveFeed} in memory, for one archiver. */
export class MemoryArchiveFeed implements ArchiveFeed {
  readonly #state: MemoryState;
  readonly #historyTtlMs: number;
  /** How many entries of all that the feed ever had are done, and how many were taken. */
  #done = 0;
  #taken = 0;
  #missed = 0;

  /** @param options.historyTtlSeconds how long an archived execution is kept from its end on */
  constructor(state: MemoryState, options: { historyTtlSeconds: number }) {
    this.#state = state;
    this.#historyTtlMs = options.historyTtlSeconds * 1000;
  }

  /** The feed keeps what it has room for, whoever reads it, and {@linkcode MemoryArchiveFeed.backlog} counts the rest. */
  hold(): Promise<void> {
    return Promise.resolve();
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    const { signal, count, blockMs } = options;
    if (this.#left().length === 0) await this.#state.change("feed", { signal, timeoutMs: blockMs });
    if (signal.aborted) return [];
    const entries = this.#left().slice(0, count);
    this.#taken += entries.length;
    return entries;
  }

  again(): void {
    this.#taken = this.#done;
  }

  done(entries: readonly FeedEntry[], { archived }: { archived: readonly FeedEntry[] }): Promise<void> {
    this.#done += entries.length;
    for (const { executionId, ended } of archived) {
      const execution = this.#state.find(executionId);
      if (execution?.expiresAt === undefined) continue;
      execution.expiresAt = Math.min(execution.expiresAt, ended!.endedAt + this.#historyTtlMs);
    }
    return Promise.resolve();
  }

  backlog(): Promise<Backlog> {
    this.#left();
    const { feed, trimmed } = this.#state;
    const waiting = feed.slice(Math.max(0, this.#done - trimmed));
    const [oldest] = waiting;
    const oldestMs = oldest === undefined ? 0 : Math.max(0, processClock.now() - entryTime(oldest.id));
    return Promise.resolve({ entries: waiting.length, oldestMs, missed: this.#missed });
  }

  /** What is to be taken; passes over what was trimmed. */
  #left(): readonly FeedEntry[] {
    const { feed, trimmed } = this.#state;
    const missed = trimmed - this.#taken;
    if (missed > 0) {
      this.#missed += missed;
      this.#taken += missed;
      this.#done += missed;
    }
    return feed.slice(this.#taken - trimmed);
  }
}
