/**
 * Reads logs and the values beside them over a separate connection, so that large replies delay no other command.
 *
 * Invariants:
 * 1. A page is bounded in entries, and in the bytes of the values that are loaded for it; it has one event at least.
 * 2. At most `AT_ONCE` replies are pending at a time, for any number of readers.
 * 3. Values are loaded only when requested. A value that no longer exists reads as null.
 */
import type { RedisConnection } from "./connection/connection.ts";
import { Gate } from "../../lib/gate.ts";
import type { Keys } from "./keys.ts";
import { parseEntries, type StreamEntry } from "./streams/stream_replies.ts";
import type { StoredEvent } from "../../execution/event.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import { PAGE_BYTES, type ReadOptions } from "../../execution/log.ts";
import { decodeEntry, isShared, valueOf } from "./log_entries.ts";

/** How many entries are read at once. */
const PAGE = 100;
/** How many replies may be under way. */
const AT_ONCE = 4;

/** Reads over one connection. */
export class LogReader {
  readonly #keys: Keys;
  readonly #connection: RedisConnection;
  readonly #gate = new Gate({ atOnce: AT_ONCE });

  /** @param options.connection one that only this reader uses */
  constructor(options: { keys: Keys; connection: RedisConnection }) {
    this.#keys = options.keys;
    this.#connection = options.connection;
  }

  /** Events after `after`, page by page. */
  async *pages(executionId: string, options: ReadOptions = {}): AsyncIterable<StoredEvent[]> {
    const { limit = Infinity, values = true } = options;
    const log = this.#keys.log(executionId);
    let { after } = options;
    // Of several events in one entry, the reader may have had the first ones only.
    const around = after === undefined ? [] : await this.#send(["XREVRANGE", log, after, "-", "COUNT", "1"]);
    const before = parseEntries(around).filter(isShared);
    for (let left = limit; left > 0;) {
      const count = Math.min(left, PAGE);
      const start = after === undefined ? "-" : `(${after}`;
      const read = parseEntries(await this.#send(["XRANGE", log, start, "+", "COUNT", String(count)]));
      const entries = [...before.splice(0), ...read];
      for (const batch of values ? batchesOf(entries) : [entries]) {
        let events = await this.#decode(executionId, batch, { values });
        if (after !== undefined) events = behind(events, after);
        if (events.length === 0) continue;
        if (events.length > left) events = events.slice(0, left);
        left -= events.length;
        yield events;
        if (left === 0) return;
      }
      if (read.length < count) return;
      after = read.at(-1)!.id;
    }
  }

  /** The newest event, without its value; `undefined` where there is no log. */
  async last(executionId: string): Promise<StoredEvent | undefined> {
    const newest = await this.#send(["XREVRANGE", this.#keys.log(executionId), "+", "-", "COUNT", "1"]);
    return (await this.#decode(executionId, parseEntries(newest), { values: false })).at(-1);
  }

  /** Makes events of entries that came another way, with their values: page by page, and how many entries each was. */
  async *decodeAll(
    executionId: string,
    entries: readonly StreamEntry[],
    options: { values: boolean },
  ): AsyncIterable<{ events: StoredEvent[]; entries: number }> {
    for (const batch of batchesOf(entries)) {
      yield { events: await this.#decode(executionId, batch, options), entries: batch.length };
    }
  }

  /** The JSON of values that stand beside a log, `null` for what is gone. */
  async values(executionId: string, names: readonly string[]): Promise<(string | null)[]> {
    return await this.#send(["HMGET", this.#keys.values(executionId), ...names]) as (string | null)[];
  }

  async #decode(
    executionId: string,
    entries: readonly StreamEntry[],
    options: { values: boolean },
  ): Promise<StoredEvent[]> {
    const names = options.values ? entries.flatMap((entry) => valueOf(entry)?.name ?? []) : [];
    if (names.length === 0) return entries.flatMap((entry) => decodeEntry(entry));
    const loaded = await this.values(executionId, names);
    let next = 0;
    return entries.flatMap((entry) => decodeEntry(entry, valueOf(entry) === undefined ? null : loaded[next++]));
  }

  #send(command: string[]) {
    return this.#gate.run(() => this.#connection.send(command));
  }
}

/** Without those that a reader of `after` has had. */
function behind(events: StoredEvent[], after: string): StoredEvent[] {
  return compareEntryIds(events[0]?.id ?? after, after) > 0
    ? events
    : events.filter(({ id }) => compareEntryIds(id, after) > 0);
}

/** Splits a page so that the values of each part are within the limit. */
function* batchesOf(entries: readonly StreamEntry[]): Iterable<StreamEntry[]> {
  let batch: StreamEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const more = valueOf(entry)?.bytes ?? 0;
    if (bytes + more > PAGE_BYTES && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
