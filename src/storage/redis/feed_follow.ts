/**
 * Follows the feeds of all partitions live, for readers without a consumer group.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { readStreamInfo, type StreamInfo } from "./streams/stream_info.ts";
import type { Subscription, Subscriptions } from "./streams/subscriptions.ts";
import { compareEntryIds, entryTime, isEntryId } from "../../lib/entry_id.ts";
import { decodeFeedCursor, encodeFeedCursor } from "../../feed/feed_cursor.ts";
import type { FeedMark, FollowedEntry } from "../../feed/projections.ts";
import type { WaitOptions } from "../../execution/log.ts";
import { decodeFeedEntry } from "./feed_entries.ts";

/** How long one wait for entries is, in milliseconds: with several partitions, also how late one may be. */
const WAIT_MS = 5000;
const WAIT_PARTITIONS_MS = 50;

/** What it follows the feeds over. */
export interface FeedFollowOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Stream subscriptions over one blocked connection. */
  readonly subscriptions: Subscriptions;
}

/**
 * Yields entries after `after`, or from now on. Yields a gap where entries may be missing: they were trimmed after
 * `after` or while the link was down, or Redis lost data.
 */
export async function* followFeed(
  { keys, commands, subscriptions }: FeedFollowOptions,
  { signal, after }: WaitOptions & { after?: string },
): AsyncIterable<FollowedEntry | FeedMark> {
  const feeds = keys.each((partition) => keys.feed(partition));
  const asked = after === undefined ? undefined : decodeFeedCursor(after, feeds.length);
  const infos = await Promise.all(feeds.map((feed) => readStreamInfo(commands, feed)));
  // Errors are ignored: then a gap is reported without its bounds.
  const infoOf = (partition: number) => readStreamInfo(commands, feeds[partition]!).catch(() => undefined);
  if (after !== undefined && (!asked!.isExact || asked!.ids.some((id, i) => isGone(infos[i], id)))) {
    yield gapAfter(after, infos);
  }
  /** The cursor of each partition. */
  const places = infos.map((info, partition) => {
    const lastId = info?.lastId ?? "0-0";
    const id = asked?.ids[partition];
    return id !== undefined && compareEntryIds(id, lastId) < 0 ? id : lastId;
  });
  const live: Subscription[] = [];
  try {
    for (const [partition, feed] of feeds.entries()) live.push(subscriptions.subscribe(feed, places[partition]!));
    const timeoutMs = live.length > 1 ? WAIT_PARTITIONS_MS : WAIT_MS;
    if (after === undefined) yield { mark: "at", cursor: encodeFeedCursor(places) };
    while (!signal.aborted) {
      const batches = await Promise.all(live.map((subscription) => subscription.next({ signal, timeoutMs })));
      for (const [partition, entries] of batches.entries()) {
        if (live[partition]!.takeLoss()) yield gapAfter(encodeFeedCursor(places), [await infoOf(partition)]);
        for (const entry of entries) {
          places[partition] = entry.id;
          yield { ...decodeFeedEntry(entry, partition), cursor: encodeFeedCursor(places) };
          if (signal.aborted) return;
        }
      }
    }
  } finally {
    for (const subscription of live) subscription.close();
  }
}

function gapAfter(after: string, infos: readonly (StreamInfo | undefined)[]): FeedMark {
  const oldest = infos.flatMap((info) => info?.firstId ?? []).sort(compareEntryIds)[0];
  // Nothing is missing before the oldest entry when the cursor was already there.
  const isAhead = oldest === undefined || (isEntryId(after) && compareEntryIds(oldest, after) <= 0);
  return { mark: "gap", after, ...(!isAhead && { before: oldest }) };
}

/** True when entries after an id have been trimmed, or when Redis lost data and the feed ends before that id. */
function isGone(info: StreamInfo | undefined, after: string): boolean {
  if (compareEntryIds(info?.lastId ?? "0-0", after) < 0) return true;
  if (info?.firstId === undefined || (after === "0-0" && info.isWhole)) return false;
  return entryTime(info.firstId) > entryTime(after);
}
