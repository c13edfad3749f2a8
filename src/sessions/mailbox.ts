/**
 * Mailboxes: streams of JSON entries, posted to a session or written when a workflow is saved in the designer, and read
 * by any number of followers on any instance.
 */
import { entryTime } from "../lib/entry_id.ts";

const MINUTE_MS = 60_000;

/** Lifetime of an entry in each box, in milliseconds. */
export const BOX_TTL_MS = {
  events: 1440 * MINUTE_MS,
  commands: 5 * MINUTE_MS,
  input: 5 * MINUTE_MS,
  chains: 1440 * MINUTE_MS,
  /** Changes to the state of a workflow in the designer. */
  designer: 60 * MINUTE_MS,
} as const;

/** The name of a box. */
export type Box = keyof typeof BOX_TTL_MS;

/** The boxes of a session. */
export const SESSION_BOXES = ["events", "commands", "input", "chains"] as const satisfies readonly Box[];

/** Identifies one mailbox. */
export interface Address {
  readonly box: Box;
  /** Id of the session; of the workflow for the box `designer`. */
  readonly id: string;
}

/** One entry of a mailbox. */
export interface MailboxEntry {
  /** A stream entry id: epoch milliseconds, `-`, and a count. Greater than all before it. */
  readonly id: string;
  /** JSON text. */
  readonly json: string;
  /** Id of the previous entry, even if that has been trimmed or has expired; `""` when the box was empty. */
  readonly before: string;
}

/** An event and the session that it was posted to. */
export interface RecentEvent {
  readonly session: string;
  readonly id: string;
  readonly json: string;
}

/** Where mailboxes are kept. */
export interface Mailboxes {
  /**
   * Appends an entry, returns its id. The oldest entries are removed while the box has more entries or bytes than its
   * limits allow. An event also goes into the list of recent events. Throws `document_too_large` for an entry larger
   * than a whole box may be.
   */
  post(address: Address, json: string): Promise<string>;
  /** At most `limit` unexpired entries after the id `after`, or from the beginning, oldest first. */
  read(address: Address, options: { limit: number; after?: string }): Promise<MailboxEntry[]>;
  /**
   * Reads like {@linkcode read}, then yields entries as they are posted, until the signal aborts. Yields `"gap"` where
   * entries may be missing. Throws `too_many_waiters`.
   */
  follow(address: Address, options: { signal: AbortSignal; after?: string }): AsyncIterable<MailboxEntry[] | "gap">;
  /** The newest events of all sessions, newest first. */
  recent(options: { limit: number }): Promise<RecentEvent[]>;
  /** Empties the boxes of a session. */
  clear(id: string): Promise<void>;
}

/** How far a follower has read. */
export interface Seen {
  /** Id of the last entry read, or of the one to resume after; `undefined` when reading from the beginning. */
  readonly id: string | undefined;
  /** True when it has followed the box without interruption since that entry. */
  readonly isLive: boolean;
}

/** Whether entries may be missing between the last one read and `entry`, the next one in the box. */
export function isGap(entry: MailboxEntry, { id, isLive }: Seen, ttlMs: number): boolean {
  if (id === undefined) return false;
  if (entry.before !== "") return entry.before !== id;
  // The box had been emptied. A live follower has lost nothing if its last entry has only expired; one that resumes
  // cannot know what the box held in between.
  return !isLive || entryTime(id) >= entryTime(entry.id) - ttlMs;
}
