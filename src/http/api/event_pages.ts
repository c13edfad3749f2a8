/**
 * The events of one execution that are there now: as a page of JSON, or as lines.
 */
import type { ExecutionLog } from "../../execution/log.ts";
import type { StoredEvent } from "../../execution/event.ts";

/** Past this many characters of JSON a page takes no further event. */
const PAGE_CHARACTERS = 2 ** 22;

/** One page as JSON, `{events, next?}`: `limit` events at most, and fewer where they are large. */
export async function jsonPage(
  log: ExecutionLog,
  id: string,
  options: { limit: number; after?: string },
): Promise<string> {
  const { limit } = options;
  const shown: string[] = [];
  let last: StoredEvent | undefined;
  let next: string | undefined;
  let characters = 0;
  reading: for await (const page of log.pages(id, { ...options, limit: limit + 1 })) {
    for (const event of page) {
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
export async function* historyLines(log: ExecutionLog, id: string, from: string | undefined): AsyncGenerator<string> {
  for await (const page of log.pages(id, from === undefined ? {} : { after: from })) {
    yield page.map((event) => `${JSON.stringify(toDocument(event))}\n`).join("");
  }
}

function toDocument({ id, type, time, node, data }: StoredEvent): object {
  return { id, type, time, ...(node !== undefined && { node }), data };
}
