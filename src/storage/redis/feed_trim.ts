/**
 * Bounds the feeds: trims them behind their readers, and to a largest size when nobody reads.
 */
import type { Clock } from "../../lib/clock.ts";
import { entryTime } from "../../lib/entry_id.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { feedMissed } from "./feed_keys.ts";
import { boundFeed } from "./scripts/bound_feed.ts";
import { readGroups } from "./streams/stream_info.ts";

/** The consumer group of the archivers. */
export const HISTORY = "history";

/** What a group that reads slowly, or no longer, can keep: so many milliseconds, and so many entries a partition. */
const MOST_MS = 3_600_000;
const MOST_ENTRIES = 1_000_000;

/** Where feeds are, and how they are reached. */
export interface FeedsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** How long the feed is kept for readers who were away, in milliseconds, 60,000 by default. */
  readonly feedKeptMs?: number;
}

/** Trims a feed behind the slowest group and behind the time for which it is kept, whichever is older. */
export async function trimFeed(options: FeedsOptions, partition: number): Promise<void> {
  const { keys, commands, clock, feedKeptMs = 60_000 } = options;
  const feed = keys.feed(partition);
  const groups = await readGroups(commands, feed);
  if (groups === undefined) return;
  let oldest = clock.now() - feedKeptMs;
  for (const group of groups) {
    const name = group.get("name") as string;
    const [count, lowest] = await commands.send<[number, string | null]>(["XPENDING", feed, name]);
    const reached = count > 0 && lowest !== null ? lowest : group.get("last-delivered-id") as string;
    oldest = Math.min(oldest, entryTime(reached));
  }
  if (oldest > 0) await commands.send(["XTRIM", feed, "MINID", "~", String(oldest)]);
}

/**
 * Trims every feed to the most that it may hold, whoever has not read it yet. The groups trim it long before; this is
 * for when none runs. Every instance may do it, now and then. What archivers miss by it is counted.
 */
export async function boundFeeds(
  { keys, commands, clock }: FeedsOptions,
  options: { mostMs?: number; mostEntries?: number } = {},
): Promise<void> {
  const { mostMs = MOST_MS, mostEntries = MOST_ENTRIES } = options;
  if (!commands.ready) return;
  const oldestMs = clock.now() - mostMs;
  await Promise.all(Array.from({ length: keys.partitions }, (_, partition) =>
    boundFeed(commands, {
      keys: { feed: keys.feed(partition), missed: feedMissed(keys, partition) },
      group: HISTORY,
      oldestMs,
      mostEntries,
    })));
}
