/**
 * The messages of one entry of the feed. An entry only points to events. The first follower of this instance that
 * reaches it reads them from the execution's log, and the others share them.
 */
import { LRUCache } from "lru-cache";
import type { StoredEvent } from "../../execution/event.ts";
import { compareEntryIds, entryIdBefore } from "../../lib/entry_id.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import type { FeedEntry } from "../../feed/projections.ts";

/** How many entries are shared, for how long, and up to how many characters each: 500 times 32 Ki are 16 Mi. */
const ENTRIES = 500;
const SHARED_MS = 5_000;
const SHARED_CHARACTERS = 2 ** 15;

/** One event of an entry, ready to be sent. */
export interface EntryMessage {
  readonly type: string;
  /** JSON. */
  readonly data: string;
}

/** Reads entries once. */
export class EntryMessages {
  readonly #log: ExecutionLog;
  /** Messages by entry; `undefined` when they are too large to be shared. */
  readonly #recent = new LRUCache<string, Promise<EntryMessage[] | undefined>>({ max: ENTRIES, ttl: SHARED_MS });

  constructor(log: ExecutionLog) {
    this.#log = log;
  }

  /** The messages of an entry, page by page; none when its events are gone. Without `values` large ones are null. */
  async *pages(entry: FeedEntry, options: { values: boolean }): AsyncGenerator<EntryMessage[]> {
    const key = `${entry.executionId} ${entry.first} ${options.values}`;
    let reading = this.#recent.get(key);
    if (reading === undefined) {
      reading = this.#readSmall(entry, options);
      this.#recent.set(key, reading);
      reading.catch(() => this.#recent.delete(key));
    }
    const shared = await reading;
    if (shared === undefined) yield* this.#read(entry, options);
    else if (shared.length > 0) yield shared;
  }

  async #readSmall(entry: FeedEntry, options: { values: boolean }): Promise<EntryMessage[] | undefined> {
    const messages: EntryMessage[] = [];
    let characters = 0;
    for await (const page of this.#read(entry, options)) {
      for (const message of page) characters += message.data.length;
      if (characters > SHARED_CHARACTERS) return undefined;
      messages.push(...page);
    }
    return messages;
  }

  async *#read(entry: FeedEntry, { values }: { values: boolean }): AsyncGenerator<EntryMessage[]> {
    const range = { after: entryIdBefore(entry.first), limit: entry.types.length, values };
    for await (const page of this.#log.pages(entry.executionId, range)) {
      const events = page.filter(({ id }) => compareEntryIds(id, entry.last) <= 0);
      if (events.length > 0) yield events.map((event) => toMessage(entry, event));
    }
  }
}

function toMessage({ executionId, workflowId }: FeedEntry, event: StoredEvent): EntryMessage {
  const { type, time, node, data } = event;
  return { type, data: JSON.stringify({ executionId, workflowId, type, time, node, data }) };
}
