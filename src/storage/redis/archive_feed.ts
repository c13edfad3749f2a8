/**
 * The feed as archivers read it: the consumer group `history`, behind which it is trimmed from the moment it is there.
 */
import type { Clock } from "../../lib/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import { forgetConsumers, makeGroup } from "./streams/consumer_group.ts";
import { readGroups } from "./streams/stream_info.ts";
import { parseEntries } from "./streams/stream_replies.ts";
import type { Keys } from "./keys.ts";
import { expiryMember } from "./expiry_member.ts";
import { letExpire } from "./scripts/let_expire.ts";
import { entryTime } from "../../lib/entry_id.ts";
import type { WaitOptions } from "../../execution/log.ts";
import type { ArchiveFeed, Backlog } from "../../feed/archive_feed.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import { feedMissed } from "./feed_keys.ts";
import { FeedReader } from "./feed_reader.ts";
import { HISTORY } from "./feed_trim.ts";

/** How often what other archivers left is looked for, in milliseconds, and at every how many of these, consumers. */
const IDLE_EVERY_MS = 5000;
const FORGET_EVERY = 100;

/** What the feed of archivers is made of. */
export interface RedisArchiveFeedOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Opens a connection for commands that block. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** Name of this instance. */
  readonly instance: string;
  /** How long an archived execution is kept from its end on, in seconds. */
  readonly historyTtlSeconds: number;
}

/** {@linkcode ArchiveFeed} on Redis. */
export class RedisArchiveFeed implements ArchiveFeed {
  readonly #options: RedisArchiveFeedOptions;
  readonly #reader: FeedReader;
  #lookAt = 0;
  #looks = 0;

  constructor(options: RedisArchiveFeedOptions) {
    this.#options = options;
    const { keys, commands } = options;
    this.#reader = new FeedReader({
      ...options,
      group: HISTORY,
      onTrimmed: async (partition, count) => {
        await commands.send(["INCRBY", feedMissed(keys, partition), String(count)]);
      },
    });
  }

  async hold(): Promise<void> {
    const { keys, commands } = this.#options;
    if (!commands.ready) return;
    await Promise.all(keys.each((partition) => keys.feed(partition)).map((feed) => makeGroup(commands, feed, HISTORY)));
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    if (performance.now() >= this.#lookAt) {
      this.#lookAt = performance.now() + IDLE_EVERY_MS;
      await this.#lookAfter();
    }
    return await this.#reader.take({ ...options, blockMs: Math.min(options.blockMs, IDLE_EVERY_MS) });
  }

  again(): void {
    this.#reader.again();
  }

  async done(entries: readonly FeedEntry[], { archived }: { archived: readonly FeedEntry[] }): Promise<void> {
    const { keys, commands, historyTtlSeconds } = this.#options;
    const byPartition = new Map<number, { entryIds: string[]; executions: FeedEntry[] }>();
    for (const { partition, id } of entries) {
      const batch = byPartition.get(partition) ?? { entryIds: [], executions: [] };
      byPartition.set(partition, batch);
      batch.entryIds.push(id);
    }
    for (const entry of archived) {
      // Executions that expire sooner anyway are left alone.
      const { endedAt, keptUntil } = entry.ended!;
      if (keptUntil > endedAt + historyTtlSeconds * 1000) byPartition.get(entry.partition)!.executions.push(entry);
    }
    await Promise.all([...byPartition].map(([partition, { entryIds, executions }]) =>
      letExpire(commands, {
        keys: { feed: keys.feed(partition), expiry: keys.expiry(partition) },
        group: HISTORY,
        base: keys.base(partition),
        entryIds,
        executions: executions.map((entry) => ({
          executionId: entry.executionId,
          keptUntil: entry.ended!.endedAt + historyTtlSeconds * 1000,
          member: expiryMember(entry, entry.ended!),
        })),
      })
    ));
  }

  async backlog(): Promise<Backlog> {
    const { keys, commands, clock } = this.#options;
    let [entries, oldestMs] = [0, 0];
    const counts = await Promise.all(
      keys.each((partition) => feedMissed(keys, partition)).map((key) => commands.send<string | null>(["GET", key])),
    );
    const missed = counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
    for (const feed of keys.each((partition) => keys.feed(partition))) {
      const group = (await readGroups(commands, feed))?.find((group) => group.get("name") === HISTORY);
      if (group === undefined) {
        entries += await commands.send<number>(["XLEN", feed]);
        continue;
      }
      const [pending, lowest] = await commands.send<[number, string | null]>(["XPENDING", feed, HISTORY]);
      // Unknown after entries in its middle were deleted (Redis, XINFO GROUPS): then what lies behind is counted.
      const lag = group.get("lag");
      const behind = typeof lag === "number" ? lag : await commands.send<number>(["XLEN", feed]);
      entries += pending + behind;
      if (pending + behind === 0) continue;
      const words = ["XRANGE", feed, `(${group.get("last-delivered-id")}`, "+", "COUNT", "1"];
      const oldest = lowest ?? parseEntries(await commands.send(words))[0]?.id;
      if (oldest !== undefined) oldestMs = Math.max(oldestMs, clock.now() - entryTime(oldest));
    }
    return { entries, oldestMs, missed };
  }

  /** Closes the blocked connection. */
  close(): Promise<void> {
    return this.#reader.close();
  }

  /** Takes over what other archivers have left, and forgets those that are gone. */
  async #lookAfter(): Promise<void> {
    const { keys, commands } = this.#options;
    if (!commands.ready) return;
    const forget = this.#looks++ % FORGET_EVERY === 0;
    for (let partition = 0; partition < keys.partitions; partition++) {
      await this.#reader.findIdle(partition);
      if (forget) await forgetConsumers(commands, keys.feed(partition), { group: HISTORY });
    }
  }
}
