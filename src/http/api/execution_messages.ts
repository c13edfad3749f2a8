/**
 * The events of one execution as messages for a follower: what there is, then what happens, to the end.
 */
import { isTerminal, type StoredEvent } from "../../execution/event.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import type { SourceMessage } from "../protocol/message_source.ts";
import { type EventFilters, passes } from "./event_filters.ts";

/** What {@linkcode executionMessages} takes. */
export interface ExecutionMessagesOptions {
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** The last event that the follower has; from the beginning without it. */
  readonly after?: string;
  /** Which events are sent; all by default. */
  readonly filters?: EventFilters;
}

/**
 * Messages behind `after`, of the events that pass the filters, and of the end. A `gap` message,
 * `{executionId, after?, before?}`, stands where events between these two are gone.
 */
export async function* executionMessages(
  log: ExecutionLog,
  executionId: string,
  options: ExecutionMessagesOptions,
): AsyncGenerator<SourceMessage[]> {
  const { signal, filters = {} } = options;
  let { after } = options;
  let isLost = after !== undefined && await startsBehind(log, executionId, after);
  const gapBefore = ({ id }: StoredEvent): SourceMessage => {
    isLost = false;
    // Who is ahead of the log has had events that it lost: where the gap ends, nobody knows.
    const before = after !== undefined && compareEntryIds(id, after) <= 0 ? undefined : id;
    return { event: "gap", data: JSON.stringify({ executionId, after, before }) };
  };
  for await (const page of log.pages(executionId, after === undefined ? {} : { after })) {
    if (isLost || (after === undefined && !isFirst(page[0]!))) yield [gapBefore(page[0]!)];
    after = page.at(-1)!.id;
    const messages = messagesOf(executionId, page, filters);
    if (messages.length > 0) yield messages;
    if (isTerminal(page.at(-1)!) || signal.aborted) return;
  }
  const tail = log.tail(executionId, {
    signal,
    onLoss: () => isLost = true,
    ...(after !== undefined && { after }),
  });
  for await (const event of tail) {
    if (isLost) yield [gapBefore(event)];
    after = event.id;
    const messages = messagesOf(executionId, [event], filters);
    if (messages.length > 0) yield messages;
  }
}

/**
 * The messages of events. An end that does not pass the filters is a message without data: its id tells that there is no
 * more to come.
 */
export function messagesOf(
  executionId: string,
  events: readonly StoredEvent[],
  filters: EventFilters,
): SourceMessage[] {
  const messages: SourceMessage[] = [];
  for (const { id, type, time, node, data } of events) {
    if (passes(filters, type)) {
      messages.push({ id, event: type, data: JSON.stringify({ executionId, type, time, node, data }) });
    } else if (isTerminal({ type })) messages.push({ id });
  }
  return messages;
}

/** Every log begins with the request: one that does not has been trimmed. */
function isFirst({ type }: StoredEvent): boolean {
  return type === "execution.requested";
}

/** Whether a log begins behind an id of its own, and not with its first event. */
async function startsBehind(log: ExecutionLog, executionId: string, after: string): Promise<boolean> {
  const [first] = await log.read(executionId, { limit: 1, values: false });
  return first !== undefined && !isFirst(first) && compareEntryIds(after, first.id) < 0;
}
