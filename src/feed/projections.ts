/**
 * The port of the projections of the feed: lists and progress documents.
 */
import type { ExecutionMeta, WaitOptions } from "../execution/log.ts";
import type { ExecutionStatus } from "../execution/event.ts";
import type { KeptDocument } from "./progress_document.ts";

/** A feed entry: one append to the log of an execution. */
export interface FeedEntry {
  /** The entry's id in the feed of its partition; `""` where it is made of the log. */
  readonly id: string;
  readonly partition: number;
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Ids of the first and the last log entry of the append. */
  readonly first: string;
  readonly last: string;
  /** Types of the events, in order. */
  readonly types: readonly string[];
  /** Present on the entry that ends an execution; times in epoch milliseconds. */
  readonly ended?: {
    readonly status: ExecutionStatus;
    readonly requestedAt: number;
    readonly endedAt: number;
    readonly keptUntil: number;
  };
  /** It ran elsewhere, so it is listed and not counted; only where the entry is made of the log. */
  readonly imported?: true;
}

/** A feed entry with the position after it. */
export interface FollowedEntry extends FeedEntry {
  /** Resumes after the entry; see `feed_cursor.ts`. */
  readonly cursor: string;
}

/** What a follower of the feed gets besides entries. */
export type FeedMark =
  /** Where it is: the first thing that a follower hears which did not say where to begin. */
  | { readonly mark: "at"; readonly cursor: string }
  /** Entries after `after` are gone, or may be; `before` is the oldest that is there, if any is. */
  | { readonly mark: "gap"; readonly after: string; readonly before?: string };

/** Filters and position of a page of executions, newest first. */
export interface ListOptions {
  /** Only executions of this workflow; of all by default. */
  readonly workflowId?: string;
  /** Only executions with this status; with any by default. */
  readonly status?: ExecutionStatus;
  /** 1 to 500. */
  readonly limit: number;
  /** The id that the page before ended with. */
  readonly cursor?: string;
}

/** A page of executions, newest first. */
export interface ExecutionPage {
  readonly executions: ExecutionMeta[];
  /** With which to ask for the next page, if there is one. */
  readonly nextCursor?: string;
  /** Part of the history could not be asked: executions may be missing. */
  readonly incomplete?: true;
}

/** The projections of the feed. */
export interface Projections {
  /**
   * Takes at most `count` feed entries, waiting at most `blockMs`. Entries that are not acknowledged are delivered
   * again.
   */
  takeFeed(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]>;
  /**
   * Applies a batch to the indexes and counters and acknowledges it, in one step: a second time changes nothing. What
   * is in `held` is applied and comes again unless it is acknowledged by a later call. Entries of
   * {@linkcode everything} need no acknowledgement.
   */
  applyFeed(entries: readonly FeedEntry[], held?: ReadonlySet<FeedEntry>): Promise<void>;
  /** Keeps a document, unless one that has as much of the log or more is there; `ended` as its entry says. */
  putProgress(kept: KeptDocument, ended?: FeedEntry["ended"]): Promise<void>;
  progress(executionId: string): Promise<KeptDocument | undefined>;
  /** Drops documents. */
  dropProgress(executionIds: readonly string[]): Promise<void>;
  /** Removes expired executions from the indexes, and trims the feed behind its consumer groups. */
  sweep(): Promise<void>;
  /** Drops lists and counters, but what was counted of executions whose logs are gone: nothing else tells of these. */
  reset(): Promise<void>;
  /**
   * Every execution that the store has, in batches, as entries without an id; `total` is how many there are, about. The
   * first batch is empty.
   */
  everything(): AsyncIterable<{ entries: FeedEntry[]; total: number }>;
  /** A page of executions, newest first. */
  list(options: ListOptions): Promise<ExecutionPage>;
  /**
   * The feed from `after` on (a cursor that an entry came with, an entry id; or from now), live. A gap comes first when
   * entries after `after` are gone, or may be. Throws `invalid_last_event_id` for a cursor of other partitions.
   */
  followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FollowedEntry | FeedMark>;
}
