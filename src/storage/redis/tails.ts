/**
 * Following one log: history first, then the live entries from its last one on, so there is no gap and no repeat.
 */
import { UnavailableError } from "../../lib/errors.ts";
import { pause } from "../../lib/delay.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";
import { isTerminal, type StoredEvent } from "../../execution/event.ts";
import type { LogReader } from "./log_reader.ts";

/** How often an idle reader looks whether its log still exists, in milliseconds. */
const EXISTS_MS = 5000;

/** How long it waits before it asks again for values that could not be loaded, in milliseconds. */
const AGAIN_MS = 250;

/** What {@linkcode followLog} takes. */
export interface FollowOptions {
  /** Ends the tail. */
  readonly signal: AbortSignal;
  /** The name of the log's stream. */
  readonly stream: string;
  /** An entry id, exclusive; absent: from the beginning. */
  readonly after: string | undefined;
  /** Stream subscriptions over one blocked connection. */
  readonly subscriptions: Subscriptions;
  /** The execution whose log it is. */
  readonly executionId: string;
  /** Reads logs and the large values beside them. */
  readonly reader: LogReader;
  /** Whether large values are loaded. */
  readonly values: boolean;
  /** Whether the execution is known, or has expired. */
  readonly exists: () => Promise<boolean>;
  /** Told that events may be missing. */
  readonly onLoss?: (() => void) | undefined;
}

/**
 * Events after `after`, or after the log's end if that comes before. Ends after the terminal event, when the log has
 * expired, and on abort. It outlives an outage of Redis, which only its first read tells of: it throws
 * `UnavailableError`.
 */
export async function* followLog(options: FollowOptions): AsyncIterable<StoredEvent> {
  const { signal, stream, subscriptions, executionId, reader, values, exists } = options;
  let after = options.after;
  for await (const page of reader.pages(executionId, { values, ...(after !== undefined && { after }) })) {
    for (const event of page) {
      yield event;
      after = event.id;
      if (isTerminal(event) || signal.aborted) return;
    }
  }
  if (after === options.after && !signal.aborted) {
    const last = await unlessAway(() => reader.last(executionId));
    // Nothing may be all that there will ever be.
    if (last === undefined) return;
    if (last !== "away" && after !== undefined) {
      const order = compareEntryIds(last.id, after);
      if (order <= 0 && isTerminal(last)) return;
      if (order < 0) {
        after = last.id;
        options.onLoss?.();
      }
    }
  }
  const live = subscriptions.subscribe(stream, after ?? "0-0");
  try {
    while (!signal.aborted) {
      const entries = await live.next({ signal, timeoutMs: EXISTS_MS });
      for (let left = entries; left.length > 0 && !signal.aborted;) {
        try {
          for await (const page of reader.decodeAll(executionId, left, { values })) {
            left = left.slice(page.entries);
            for (const event of page.events) {
              yield event;
              if (isTerminal(event) || signal.aborted) return;
            }
          }
        } catch (error) {
          if (!(error instanceof UnavailableError)) throw error;
          await pause(AGAIN_MS, signal);
        }
      }
      const isLost = live.takeLoss();
      if (isLost) options.onLoss?.();
      // While Redis is away, nobody knows.
      if ((entries.length === 0 || isLost) && !signal.aborted && await unlessAway(exists) === false) return;
    }
  } finally {
    live.close();
  }
}

async function unlessAway<T>(ask: () => Promise<T>): Promise<T | "away"> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof UnavailableError) return "away";
    throw error;
  }
}
