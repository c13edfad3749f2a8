/**
 * Time travel: the state of an execution as it was at any moment of its log.
 *
 * @example
 * ```ts
 * const { state, at } = await foldUntil(log, executionId, parseMoment("2026-11-26T12:00:00.250Z"));
 * ```
 */
import type { ExecutionLog } from "../execution/log.ts";
import { parseIsoTime } from "../lib/iso_time.ts";
import type { StoredEvent } from "../execution/event.ts";
import { compareEntryIds } from "../lib/entry_id.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";

/** A place in a log: all entries up to and including this one. */
export type Moment =
  /** A stream entry id; an entry with this id need not exist. */
  | { readonly entryId: string }
  /** The number of an entry, from 0. */
  | { readonly index: number }
  /** Epoch milliseconds. */
  | { readonly time: number };

/** A number with at most this many digits is an index; a longer one is the milliseconds of an entry id. */
const INDEX_DIGITS = 9;
/** The largest count of an entry id. */
const LAST_COUNT = "999999999999999";

/** Parses an entry id, an index or an ISO 8601 time; `undefined` for any other text. */
export function parseMoment(text: string): Moment | undefined {
  if (/^\d{1,15}-\d{1,15}$/.test(text)) return { entryId: text };
  if (/^\d{1,15}$/.test(text)) {
    return text.length <= INDEX_DIGITS ? { index: Number(text) } : { entryId: `${text}-${LAST_COUNT}` };
  }
  const time = parseIsoTime(text);
  return time === undefined ? undefined : { time };
}

/** The last entry that was folded. */
export interface FoldedUntil extends Pick<StoredEvent, "id" | "type" | "time"> {
  /** Its index in the log, counted from 0. */
  readonly index: number;
}

/**
 * Folds a log up to a moment, without large values; the whole log by default, or when the moment is past its end.
 *
 * @returns a state of version 0 for an unknown execution; `at` is absent when no entry was folded
 */
export async function foldUntil(
  log: Pick<ExecutionLog, "pages">,
  executionId: string,
  moment?: Moment,
): Promise<{ state: RunState; at?: FoldedUntil }> {
  const state = emptyState();
  let at: FoldedUntil | undefined;
  folding: for await (const page of log.pages(executionId, { values: false })) {
    for (const event of page) {
      const index = (at?.index ?? -1) + 1;
      if (moment !== undefined && isAfter(event, index, moment)) break folding;
      applyEvent(state, event);
      at = { id: event.id, type: event.type, time: event.time, index };
    }
  }
  return at === undefined ? { state } : { state, at };
}

/** True when an entry comes after the moment. */
function isAfter({ id, time }: StoredEvent, index: number, moment: Moment): boolean {
  if ("entryId" in moment) return compareEntryIds(id, moment.entryId) > 0;
  return "index" in moment ? index > moment.index : time > moment.time;
}
