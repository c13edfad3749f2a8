/**
 * The port of what is to be archived: the feed, as a consumer group of archivers reads it.
 */
import type { WaitOptions } from "../execution/log.ts";
import type { FeedEntry } from "./projections.ts";

/** What waits to be archived. */
export interface Backlog {
  /** Entries of the feed that the archiver has not acknowledged, about. */
  readonly entries: number;
  /** How old the oldest of them is, in milliseconds. */
  readonly oldestMs: number;
  /** Entries that were trimmed before the archiver was handed them or done with them, about, since the feed began. */
  readonly missed: number;
}

/** The feed as archivers read it: a consumer group of their own. */
export interface ArchiveFeed {
  /** Keeps for archivers whatever is not yet acknowledged, from now on; again: where it was forgotten meanwhile. */
  hold(): Promise<void>;
  /** Entries for this consumer, waiting at most `blockMs`; those not acknowledged come again. */
  take(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]>;
  /** Gives back what was taken and is not done: it comes again. */
  again(): void;
  /** Acknowledges entries; what has been archived is from now on kept for as long as without an archive. */
  done(entries: readonly FeedEntry[], options: { archived: readonly FeedEntry[] }): Promise<void>;
  backlog(): Promise<Backlog>;
}
