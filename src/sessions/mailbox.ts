/**
 * Mailboxes: streams of JSON that are posted to a session, or told of a workflow in the designer, and read by any number
 * of followers on any instance.
 */

const MINUTE_MS = 60_000;

/** How long entries of each box live, in milliseconds. */
export const BOX_TTL_MS = {
  events: 1440 * MINUTE_MS,
  commands: 5 * MINUTE_MS,
  input: 5 * MINUTE_MS,
  chains: 1440 * MINUTE_MS,
  /** What becomes of a workflow's state in the designer. */
  designer: 60 * MINUTE_MS,
} as const;

/** The name of a box. */
export type Box = keyof typeof BOX_TTL_MS;

/** The boxes of a session. */
export const SESSION_BOXES = ["events", "commands", "input", "chains"] as const satisfies readonly Box[];

/** Which box is meant. */
export interface Address {
  readonly box: Box;
  /** The session's, or the workflow's. */
  readonly id: string;
}

/** What was posted. */
export interface MailboxEntry {
  /** A stream entry id: epoch milliseconds, `-`, and a count. Greater than all before it. */
  readonly id: string;
  /** JSON text. */
  readonly json: string;
  /** The id of the entry before it, gone or not; `""` where the box was empty. */
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
   * Posts; replies with the entry's id. The oldest entries go where there are more, or more bytes, than a box may have;
   * an event is also among the recent ones. Throws `document_too_large` for what no box may have.
   */
  post(address: Address, json: string): Promise<string>;
  /** At most `limit` entries that are younger than the box's time to live, oldest first, after an id. */
  read(address: Address, options: { limit: number; after?: string }): Promise<MailboxEntry[]>;
  /**
   * The same, and then what is posted, as it is, until the signal aborts. `"gap"` stands where entries may be missing.
   * Throws `too_many_waiters`.
   */
  follow(address: Address, options: { signal: AbortSignal; after?: string }): AsyncIterable<MailboxEntry[] | "gap">;
  /** The newest events of all sessions, newest first. */
  recent(options: { limit: number }): Promise<RecentEvent[]>;
  /** Empties the boxes of a session. */
  clear(id: string): Promise<void>;
}

/** What a follower has seen. */
export interface Seen {
  /** The id of the last entry, or the one to go on after; `undefined` for one who reads from the beginning. */
  readonly id: string | undefined;
  /** It has been reading since, so that it saw whatever came. */
  readonly isLive: boolean;
}

/** Whether entries may be missing between what was seen and the next entry that is there. */
export function isGap(entry: MailboxEntry, { id, isLive }: Seen, ttlMs: number): boolean {
  if (id === undefined) return false;
  if (entry.before !== "") return entry.before !== id;
  // The box was empty. Who was away cannot know what it held; who was not has lost nothing if it only expired.
  return !isLive || millisecondsOf(id) >= millisecondsOf(entry.id) - ttlMs;
}

/** When an entry was posted, in epoch milliseconds. */
export function millisecondsOf(entryId: string): number {
  return Number(entryId.split("-")[0]);
}
