/**
 * The feed of all executions as Server-Sent Events. Feed entries only point to events, so each entry that passes the
 * filters costs one read of its execution's log.
 */
import { compareEntryIds, type StoredEvent } from "../log/event.ts";
import type { FeedEntry, Store } from "../log/port.ts";
import type { ServerSentMessage } from "./server_sent_events.ts";

/** What {@linkcode feedMessages} takes. */
export interface FeedMessagesOptions {
  readonly signal: AbortSignal;
  /** Feed entry id to go on after; live from now without it. */
  readonly after?: string;
  readonly workflowId?: string;
  readonly types?: ReadonlySet<string>;
}

/**
 * Follows the feed. The messages of one feed entry come as one batch, and only the last of them has an id, the feed
 * entry's: whoever comes back with it goes on behind the whole entry. A `gap` message stands where entries, or the
 * events that one points to, are gone.
 */
export async function* feedMessages(
  store: Pick<Store, "log" | "projections">,
  options: FeedMessagesOptions,
): AsyncGenerator<ServerSentMessage[]> {
  const { signal, after, workflowId, types } = options;
  const feed = store.projections.followFeed({ signal, ...(after !== undefined && { after }) });
  for await (const entry of feed) {
    if (entry === "gap") yield [{ event: "gap", data: "{}" }];
    else if (workflowId === undefined || entry.workflowId === workflowId) {
      if (types && !entry.types.some((type) => types.has(type))) continue;
      const events = await readRange(store, entry);
      const batch = events.length === 0
        ? [{ event: "gap", data: JSON.stringify({ executionId: entry.executionId }) }]
        : events.filter(({ type }) => !types || types.has(type)).map((event) => toMessage(entry, event));
      const last = batch.pop();
      if (last !== undefined) yield [...batch, { ...last, id: entry.id }];
    }
  }
}

async function readRange({ log }: Pick<Store, "log">, entry: FeedEntry): Promise<StoredEvent[]> {
  const events = await log.read(entry.executionId, { after: entryIdBefore(entry.first), limit: entry.types.length });
  return events.filter(({ id }) => compareEntryIds(id, entry.last) <= 0);
}

/** An id just before this one, to read from it on inclusively. */
function entryIdBefore(id: string): string {
  const [ms = "0", count = "0"] = id.split("-");
  if (count !== "0") return `${ms}-${Number(count) - 1}`;
  return ms === "0" ? "0-0" : `${Number(ms) - 1}-999999999999999`;
}

function toMessage({ executionId, workflowId }: FeedEntry, event: StoredEvent): ServerSentMessage {
  const { type, time, node, data } = event;
  return { event: type, data: JSON.stringify({ executionId, workflowId, type, time, node, data }) };
}
