/**
 * Mailboxes on Redis: a stream each.
 */
import type { Clock } from "../../lib/clock.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import {
  type Address,
  BOX_TTL_MS,
  isGap,
  type MailboxEntry,
  type Mailboxes,
  type RecentEvent,
  SESSION_BOXES,
} from "../../sessions/mailbox.ts";
import { checkSize } from "../../sessions/session.ts";
import { noRoom } from "../store_rules.ts";
import type { RedisConnection, Reply } from "./connection/connection.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import type { Keys } from "./keys.ts";
import { postMail } from "./scripts/post_mail.ts";
import { parseEntries, type StreamEntry } from "./streams/stream_replies.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";

/** How long one wait for entries is, in milliseconds. */
const WAIT_MS = 5000;

/** What they are kept over. */
export interface RedisMailboxesOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** Stream subscriptions over one blocked connection. */
  readonly subscriptions: Subscriptions;
  /** How many entries one box holds. */
  readonly entries: number;
  /** How many bytes one box holds. */
  readonly bytes: number;
}

/** {@linkcode Mailboxes} on Redis. */
export class RedisMailboxes implements Mailboxes {
  readonly #options: RedisMailboxesOptions;

  constructor(options: RedisMailboxesOptions) {
    this.#options = options;
  }

  async post({ box, id }: Address, json: string): Promise<string> {
    const { keys, commands, memory, entries, bytes } = this.#options;
    checkSize(json, bytes);
    if (!memory.hasRoomFor(json.length)) throw noRoom();
    memory.count(json.length);
    const recent = box === "events" ? keys.recentEvents(keys.partitionOf(id)) : undefined;
    return await postMail(commands, {
      keys: { box: keys.mailbox(box, id), ...(recent !== undefined && { recent }) },
      json,
      ttlMs: BOX_TTL_MS[box],
      entries,
      bytes,
      id,
    });
  }

  async read(address: Address, { limit, after }: { limit: number; after?: string }): Promise<MailboxEntry[]> {
    const { keys, commands } = this.#options;
    const stream = keys.mailbox(address.box, address.id);
    const from = `(${this.#start(address, after)}`;
    const reply = await commands.send<Reply[]>(["XRANGE", stream, from, "+", "COUNT", String(limit)]);
    return parseEntries(reply).map(toEntry);
  }

  async *follow(
    address: Address,
    { signal, after }: { signal: AbortSignal; after?: string },
  ): AsyncIterable<MailboxEntry[] | "gap"> {
    const { keys, subscriptions } = this.#options;
    const subscription = subscriptions.subscribe(keys.mailbox(address.box, address.id), this.#start(address, after));
    let seen = { id: after, isLive: false };
    try {
      while (!signal.aborted) {
        const entries = (await subscription.next({ signal, timeoutMs: WAIT_MS })).map(toEntry);
        // What a loss means is seen by the next entry.
        subscription.takeLoss();
        const [first] = entries;
        if (first === undefined) continue;
        if (isGap(first, seen, BOX_TTL_MS[address.box])) yield "gap";
        seen = { id: entries.at(-1)!.id, isLive: true };
        yield entries;
      }
    } finally {
      subscription.close();
    }
  }

  async recent({ limit }: { limit: number }): Promise<RecentEvent[]> {
    const { keys, commands } = this.#options;
    const streams = keys.each((partition) => keys.recentEvents(partition));
    const pages = await Promise.all(
      streams.map((stream) => commands.send<Reply[]>(["XREVRANGE", stream, "+", "-", "COUNT", String(limit)])),
    );
    const events = pages.flatMap(parseEntries).map(({ fields }) => {
      const { session, id, data } = JSON.parse(fields.get("data")!);
      return { session, id, json: JSON.stringify(data) };
    });
    const oldest = `${this.#options.clock.now() - BOX_TTL_MS.events}-0`;
    return events.filter(({ id }) => compareEntryIds(id, oldest) > 0)
      .sort((a, b) => compareEntryIds(b.id, a.id)).slice(0, limit);
  }

  async clear(id: string): Promise<void> {
    const { keys, commands } = this.#options;
    await commands.send(["UNLINK", ...SESSION_BOXES.map((box) => keys.mailbox(box, id))]);
  }

  /** Where reading begins: not before what has expired. */
  #start({ box }: Address, after = "0-0"): string {
    const expired = `${this.#options.clock.now() - BOX_TTL_MS[box]}-0`;
    return compareEntryIds(after, expired) > 0 ? after : expired;
  }
}

function toEntry({ id, fields }: StreamEntry): MailboxEntry {
  return { id, json: fields.get("data")!, before: fields.get("before")! };
}
