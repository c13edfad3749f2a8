/**
 * The events of one execution that are there now: as a page of JSON, or as lines.
 */
import type { ExecutionLog } from "../../execution/log.ts";
import type { StoredEvent } from "../../execution/event.ts";
import { type EventFilters, passes, passesAll } from "./event_filters.ts";

/** Past this many characters of JSON a page takes no further event. */
const PAGE_CHARACTERS = 2 ** 22;

/** Which events are shown. */
export interface ShownEvents {
  /** An entry id, exclusive; from the beginning without it. */
  readonly after?: string;
  readonly filters: EventFilters;
}

/** One page as JSON, `{events, next?}`: `limit` events at most, and fewer where they are large. */
export async function jsonPage(
  log: ExecutionLog,
  id: string,
  options: ShownEvents & { limit: number },
): Promise<string> {
  const { limit, filters, ...from } = options;
  // How many are to be read for so many that pass, nobody knows.
  const read = passesAll(filters) ? { ...from, limit: limit + 1 } : from;
  const shown: string[] = [];
  let last: StoredEvent | undefined;
  let next: string | undefined;
  let characters = 0;
  reading: for await (const page of log.pages(id, read)) {
    for (const event of page) {
      if (!passes(filters, event.type)) continue;
      if (shown.length === limit || characters > PAGE_CHARACTERS) {
        next = last!.id;
        break reading;
      }
      last = event;
      shown.push(JSON.stringify(toDocument(event)));
      characters += shown.at(-1)!.length;
    }
  }
  return `{"events":[${shown.join()}]${next === undefined ? "" : `,"next":${JSON.stringify(next)}`}}`;
}

/** The stored history, one event a line, read page by page. */
export async function* historyLines(
  log: ExecutionLog,
  id: string,
  { filters, ...from }: ShownEvents,
): AsyncGenerator<string> {
  for await (const page of log.pages(id, from)) {
    const shown = page.filter((event) => passes(filters, event.type));
    if (shown.length > 0) yield shown.map((event) => `${JSON.stringify(toDocument(event))}\n`).join("");
  }
}

function toDocument({ id, type, time, node, data }: StoredEvent): object {
  return { id, type, time, ...(node !== undefined && { node }), data };
}
