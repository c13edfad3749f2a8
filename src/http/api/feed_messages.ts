/**
 * The feed of all executions as Server-Sent Events. Feed entries only point to events, so each entry that passes the
 * filters costs one read of its execution's log.
 */
import { compareEntryIds, entryIdBefore, type StoredEvent } from "../../execution/event.ts";
import type { FeedEntry, FollowedEntry } from "../../feed/projections.ts";
import type { AppDeps } from "../frame/deps.ts";
import type { ServerSentMessage } from "../protocol/server_sent_events.ts";

/** What {@linkcode feedMessages} takes. */
export interface FeedMessagesOptions {
  readonly signal: AbortSignal;
  /** Cursor to go on after; live from now without it. */
  readonly after?: string;
  readonly workflowId?: string;
  readonly types?: ReadonlySet<string>;
}

/**
 * Follows the feed. Of the messages of one feed entry only the last has an id, the feed entry's cursor: whoever comes
 * back with it goes on behind the whole entry. A `gap` message stands where entries, or the events that one points to,
 * are gone.
 */
export async function* feedMessages(
  store: Pick<AppDeps["store"], "log" | "projections">,
  options: FeedMessagesOptions,
): AsyncGenerator<ServerSentMessage[]> {
  const { signal, after, workflowId, types } = options;
  const feed = store.projections.followFeed({ signal, ...(after !== undefined && { after }) });
  for await (const entry of feed) {
    if (entry === "gap") yield [{ event: "gap", data: "{}" }];
    else if (workflowId === undefined || entry.workflowId === workflowId) {
      if (types && !entry.types.some((type) => types.has(type))) continue;
      yield* messagesOf(store, entry, types);
    }
  }
}

/** The messages of one feed entry, page by page; only the last one has its cursor for an id. */
async function* messagesOf(
  { log }: Pick<AppDeps["store"], "log">,
  entry: FollowedEntry,
  types: ReadonlySet<string> | undefined,
): AsyncGenerator<ServerSentMessage[]> {
  const values = types === undefined || types.has("node.completed") || types.has("execution.requested");
  const range = { after: entryIdBefore(entry.first), limit: entry.types.length, values };
  let last: ServerSentMessage | undefined;
  let isGone = true;
  for await (const page of log.pages(entry.executionId, range)) {
    const events = page.filter(({ id }) => compareEntryIds(id, entry.last) <= 0);
    if (events.length > 0) isGone = false;
    const messages = events.filter(({ type }) => !types || types.has(type)).map((event) => toMessage(entry, event));
    if (messages.length === 0) continue;
    if (last !== undefined) messages.unshift(last);
    last = messages.pop();
    if (messages.length > 0) yield messages;
  }
  if (isGone) last = { event: "gap", data: JSON.stringify({ executionId: entry.executionId }) };
  if (last !== undefined) yield [{ ...last, id: entry.cursor }];
}

function toMessage({ executionId, workflowId }: FeedEntry, event: StoredEvent): ServerSentMessage {
  const { type, time, node, data } = event;
  return { event: type, data: JSON.stringify({ executionId, workflowId, type, time, node, data }) };
}
