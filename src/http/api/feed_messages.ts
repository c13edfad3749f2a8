/**
 * The feed of all executions as messages for a follower.
 */
import type { FollowedEntry, Projections } from "../../feed/projections.ts";
import type { SourceMessage } from "../protocol/message_source.ts";
import type { EntryMessages } from "./entry_messages.ts";
import { type EventFilters, passes } from "./event_filters.ts";

/** Interval at which a follower whose filters let nothing pass is sent a cursor, in milliseconds. */
const PLACE_EVERY_MS = 5_000;

/** What {@linkcode feedMessages} takes. */
export interface FeedMessagesOptions {
  /** Follows the feed. */
  readonly projections: Pick<Projections, "followFeed">;
  /** Reads the events that entries of the feed point to, once for all followers. */
  readonly entries: EntryMessages;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Cursor to go on after; live from now without it. */
  readonly after?: string;
  /** Which events are sent; all by default. */
  readonly filters?: EventFilters;
}

/**
 * Follows the feed. Of the messages of one feed entry only the last has an id, the feed entry's cursor: whoever comes
 * back with it goes on behind the whole entry. A `gap` message stands where entries are gone, `{after, before?}`, or
 * the events that one points to, `{executionId, first, last}`. A message without data says only where the follower
 * is: at first, and now and then where nothing passes the filters.
 */
export async function* feedMessages(options: FeedMessagesOptions): AsyncGenerator<SourceMessage[]> {
  const { projections, entries, signal, after, filters = {} } = options;
  let placedAt = performance.now();
  for await (const entry of projections.followFeed({ signal, ...(after !== undefined && { after }) })) {
    if ("mark" in entry) {
      const { mark, ...what } = entry;
      yield [mark === "at" ? { id: entry.cursor } : { event: "gap", data: JSON.stringify(what) }];
    } else if (isWanted(entry, filters)) {
      yield* messagesOf(entries, entry, filters);
    } else if (performance.now() - placedAt > PLACE_EVERY_MS) {
      yield [{ id: entry.cursor }];
    } else continue;
    placedAt = performance.now();
  }
}

function isWanted(entry: FollowedEntry, filters: EventFilters): boolean {
  const { workflowId } = filters;
  if (workflowId !== undefined && entry.workflowId !== workflowId) return false;
  return entry.types.some((type) => passes(filters, type));
}

/** The messages of one feed entry, page by page; only the last one has its cursor for an id. */
async function* messagesOf(
  entries: EntryMessages,
  entry: FollowedEntry,
  filters: EventFilters,
): AsyncGenerator<SourceMessage[]> {
  const values = passes(filters, "node.completed") || passes(filters, "execution.requested");
  let last: SourceMessage | undefined;
  let isGone = true;
  for await (const page of entries.pages(entry, { values })) {
    isGone = false;
    const messages: SourceMessage[] = page.filter(({ type }) => passes(filters, type))
      .map(({ type, data }) => ({ event: type, data }));
    if (messages.length === 0) continue;
    if (last !== undefined) messages.unshift(last);
    last = messages.pop();
    if (messages.length > 0) yield messages;
  }
  if (isGone) {
    const { executionId, first, last: end } = entry;
    last = { event: "gap", data: JSON.stringify({ executionId, first, last: end }) };
  }
  if (last !== undefined) yield [{ ...last, id: entry.cursor }];
}
