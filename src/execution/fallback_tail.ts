/**
 * Follows an execution that runs in memory, and on in the store when it has moved there.
 */
import { isTerminal, type StoredEvent } from "./event.ts";
import type { FallbackSession } from "./fallback_session.ts";
import { entryIdBefore } from "../lib/entry_id.ts";
import type { ExecutionLog, ReadOptions, WaitOptions } from "./log.ts";

/** Where an execution is followed. */
export interface FallbackTailPorts {
  /** The store's log. */
  readonly log: Pick<ExecutionLog, "read" | "tail">;
  /** The session that has the execution now, if one has. */
  readonly sessionOf: (executionId: string) => FallbackSession | undefined;
}

/**
 * As {@linkcode ExecutionLog.tail}. Ids stay the same when a log is written into the store, so its tail goes on there
 * after the event that it had last. Where the store ran the execution too, its own log is what counts: it is followed
 * from its beginning, after a word that events are missing.
 */
export async function* fallbackTail(
  { log, sessionOf }: FallbackTailPorts,
  executionId: string,
  options: WaitOptions & Omit<ReadOptions, "limit">,
): AsyncIterable<StoredEvent> {
  const session = sessionOf(executionId);
  /** What the reader has had last of what is in memory. */
  let last: StoredEvent | undefined;
  if (session !== undefined) {
    if (options.after !== undefined) last = await eventAt(session.log, executionId, options.after);
    for await (const event of session.tail(executionId, options)) {
      yield event;
      last = event;
    }
    const isOver = last !== undefined && isTerminal(last);
    if (isOver || options.signal.aborted || session.has(executionId)) return;
  }
  if (last === undefined) return yield* log.tail(executionId, options);
  const same = await eventAt(log, executionId, last.id);
  if (same !== undefined) return yield* log.tail(executionId, { ...options, after: last.id });
  options.onLoss?.();
  const { after: _after, ...whole } = options;
  yield* log.tail(executionId, whole);
}

/** The event of that id, if there is one. */
async function eventAt(
  log: Pick<ExecutionLog, "read">,
  executionId: string,
  id: string,
): Promise<StoredEvent | undefined> {
  const [event] = await log.read(executionId, { after: entryIdBefore(id), limit: 1, values: false });
  return event?.id === id ? event : undefined;
}
