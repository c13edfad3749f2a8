/**
 * The feeds as one consumer of the assembler's group reads them.
 *
 * Invariants, besides those of {@linkcode GroupReader}:
 * 1. Pending entries are read again after a batch that could not be applied.
 * 2. Entries that another consumer took and has not acknowledged for `IDLE_MS` are claimed by this one.
 * 3. Pending entries that were trimmed are acknowledged, since nothing else would.
 */
import type { RedisConnection, Reply } from "./connection/connection.ts";
import { isGroupGone } from "./streams/consumer_group.ts";
import { GRACE_MS } from "./connection/deadlines.ts";
import { GroupReader } from "./streams/group_reader.ts";
import type { Keys } from "./keys.ts";
import { parseDeleted, parseStreams } from "./streams/stream_replies.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import type { WaitOptions } from "../../execution/log.ts";
import { decodeFeedEntry } from "./feed_entries.ts";

/** After how long an entry that was taken and not acknowledged is another assembler's, in milliseconds. */
const IDLE_MS = 10_000;

/** What a feed reader is made of. */
export interface FeedReaderOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Opens the connection that blocked reads have to themselves. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** The consumer's name. */
  readonly instance: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** Called with how many pending entries were found to be trimmed away. Default: nobody is told. */
  readonly onTrimmed?: (partition: number, count: number) => Promise<void>;
}

/** One consumer of the feeds of all partitions. */
export class FeedReader {
  readonly #options: FeedReaderOptions;
  readonly #feeds: readonly string[];
  readonly #reader: GroupReader;

  constructor(options: FeedReaderOptions) {
    this.#options = options;
    this.#feeds = options.keys.each((partition) => options.keys.feed(partition));
    this.#reader = new GroupReader({ ...options, streams: this.#feeds, consumer: options.instance });
  }

  /** At most `count` entries a partition; waits at most `blockMs`, and while Redis is away returns none. */
  take(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    const { count, blockMs } = options;
    return this.#reader.session(options, async () => {
      const missed = await this.#reader.readAgain(() => this.#readPending(count)) ?? [];
      if (missed.length > 0) return missed;
      return this.#decode(await this.#reader.read({ count, id: ">", blockMs }));
    });
  }

  /** Reads pending entries again. */
  again(): void {
    this.#reader.again();
  }

  /** Reads pending entries again if any consumer has one that is idle for too long. */
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
  close(): Promise<void> {
    return this.#reader.close();
  }

  /** The entries that are pending for this consumer; an empty batch is the last one. */
  async #readPending(count: number): Promise<FeedEntry[]> {
    const { commands, group, instance } = this.#options;
    for (const [partition, feed] of this.#feeds.entries()) {
      const words = ["XAUTOCLAIM", feed, group, instance, String(IDLE_MS), "0-0", "COUNT", String(count), "JUSTID"];
      const [, , gone] = await commands.send<[string, string[], string[]]>(words);
      await this.#tellTrimmed(partition, gone.length);
    }
    for (;;) {
      const reply = await this.#reader.read({ count, id: "0", deadlineMs: GRACE_MS });
      const deleted = parseDeleted(reply).filter(([, ids]) => ids.length > 0);
      await Promise.all(deleted.map(async ([feed, ids]) => {
        const gone = await commands.send<number>(["XACK", feed, group, ...ids]);
        await this.#tellTrimmed(this.#feeds.indexOf(feed), gone);
      }));
      const entries = this.#decode(reply);
      if (entries.length > 0) this.again();
      if (entries.length > 0 || deleted.length === 0) return entries;
    }
  }

  async #tellTrimmed(partition: number, count: number): Promise<void> {
    if (count > 0) await this.#options.onTrimmed?.(partition, count);
  }

  #decode(reply: Reply): FeedEntry[] {
    return parseStreams(reply).flatMap(([name, entries]) => {
      const partition = this.#feeds.indexOf(name);
      return entries.map((entry) => decodeFeedEntry(entry, partition));
    });
  }
}
