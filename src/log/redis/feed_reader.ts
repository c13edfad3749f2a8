/**
 * The feeds as one consumer of the assembler's group reads them.
 *
 * Invariants:
 * 1. What this consumer was handed and has not acknowledged is read again before anything new: after a start, after a
 *    new link (an entry can be handed to a link that is dead), and after a batch that could not be applied.
 * 2. A link that Redis still takes to be alive may be handed entries until its block ends: after a new link, the
 *    pending entries are read once more when that time is over.
 * 3. What another consumer took and left for `IDLE_MS` becomes this one's.
 * 4. A group that is gone, with or without its stream, is made again from the beginning.
 * 5. Pending entries that were trimmed away are acknowledged: nothing else would ever end them.
 */
import type { RedisConnection, Reply } from "../../redis/connection.ts";
import { isGroupGone, makeGroup } from "../../redis/consumer_group.ts";
import { BLOCK_MS, GRACE_MS } from "../../redis/deadlines.ts";
import type { Keys } from "../../redis/keys.ts";
import { parseDeleted, parseStreams } from "../../redis/stream_replies.ts";
import type { FeedEntry, WaitOptions } from "../port.ts";
import { decodeFeedEntry } from "./codec.ts";

/** After how long an entry that was taken and not acknowledged is another assembler's, in milliseconds. */
const IDLE_MS = 10_000;

/** What a feed reader is made of. */
export interface FeedReaderOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  /** Opens the connection that blocked reads have to themselves. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** The consumer's name. */
  readonly instance: string;
  readonly group: string;
}

/** One consumer of the feeds of all partitions. */
export class FeedReader {
  readonly #options: FeedReaderOptions;
  readonly #feeds: readonly string[];
  #blocked: Promise<RedisConnection> | undefined;
  #again = true;
  #onceMore: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FeedReaderOptions) {
    this.#options = options;
    this.#feeds = options.keys.each((partition) => options.keys.feed(partition));
  }

  /** At most `count` entries a partition; waits at most `blockMs`, and while Redis is away returns none. */
  async take({ signal, count, blockMs }: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    const blocked = await this.#open();
    if (!(await blocked.back({ timeoutMs: blockMs, signal })) && !blocked.closed) return [];
    const wake = () => {
      this.#options.commands.send(["CLIENT", "UNBLOCK", String(blocked.id)]).catch(() => {});
    };
    signal.addEventListener("abort", wake, { once: true });
    try {
      if (signal.aborted) return [];
      const missed = this.#again ? await this.#readAgain(blocked, count) : [];
      if (missed.length > 0) return missed;
      const block = Math.min(blockMs, BLOCK_MS);
      const reply = await this.#read(blocked, { count, id: ">", block: ["BLOCK", String(block)], deadlineMs: block });
      return this.#decode(reply);
    } catch (error) {
      if (!isGroupGone(error)) throw error;
      await this.#makeGroups();
      return [];
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  /** Begins again with what is pending. */
  again(): void {
    this.#again = true;
  }

  /** Begins again with what is pending if any of it has been for too long, whoever took it. */
  async findIdle(partition: number): Promise<void> {
    const { commands, group } = this.#options;
    const words = ["XPENDING", this.#feeds[partition]!, group, "IDLE", String(IDLE_MS), "-", "+", "1"];
    const idle = await commands.send<Reply[]>(words).catch((error) => {
      if (isGroupGone(error)) return [];
      throw error;
    });
    if (idle.length > 0) this.again();
  }

  /** Closes the blocked connection. */
  async close(): Promise<void> {
    clearTimeout(this.#onceMore);
    (await this.#blocked?.catch(() => undefined))?.close();
  }

  #open(): Promise<RedisConnection> {
    return this.#blocked ??= this.#makeGroups().then(async () => {
      const blocked = await this.#options.openBlocked();
      blocked.onReady(() => {
        this.again();
        clearTimeout(this.#onceMore);
        this.#onceMore = setTimeout(() => this.again(), BLOCK_MS + GRACE_MS);
      });
      return blocked;
    }).catch((error) => {
      this.#blocked = undefined;
      throw error;
    });
  }

  async #makeGroups(): Promise<void> {
    const { commands, group } = this.#options;
    await Promise.all(this.#feeds.map((feed) => makeGroup(commands, feed, group)));
  }

  async #readAgain(blocked: RedisConnection, count: number): Promise<FeedEntry[]> {
    const { commands, group, instance } = this.#options;
    this.#again = false;
    try {
      for (const feed of this.#feeds) {
        const words = ["XAUTOCLAIM", feed, group, instance, String(IDLE_MS), "0-0", "COUNT", String(count), "JUSTID"];
        await commands.send(words);
      }
      for (;;) {
        const reply = await this.#read(blocked, { count, id: "0" });
        const deleted = parseDeleted(reply).filter(([, ids]) => ids.length > 0);
        await Promise.all(deleted.map(([feed, ids]) => commands.send(["XACK", feed, group, ...ids])));
        const entries = this.#decode(reply);
        if (entries.length > 0) this.#again = true;
        if (entries.length > 0 || deleted.length === 0) return entries;
      }
    } catch (error) {
      this.#again = true;
      throw error;
    }
  }

  async #read(
    blocked: RedisConnection,
    options: { count: number; id: "0" | ">"; block?: string[]; deadlineMs?: number },
  ): Promise<Reply> {
    const { group, instance } = this.#options;
    const { count, id, block = [], deadlineMs = 0 } = options;
    return await blocked.send([
      ...["XREADGROUP", "GROUP", group, instance, "COUNT", String(count), ...block],
      ...["STREAMS", ...this.#feeds, ...this.#feeds.map(() => id)],
    ], { deadlineMs: deadlineMs + GRACE_MS });
  }

  #decode(reply: Reply): FeedEntry[] {
    return parseStreams(reply).flatMap(([name, entries]) => {
      const partition = this.#feeds.indexOf(name);
      return entries.map((entry) => decodeFeedEntry(entry, partition));
    });
  }
}
