/**
 * Following the feeds of all partitions live, for readers that are in no group.
 */
import type { RedisConnection } from "../../redis/connection.ts";
import type { Keys } from "../../redis/keys.ts";
import { readStreamInfo, type StreamInfo } from "../../redis/stream_info.ts";
import type { Subscriptions } from "../../redis/subscriptions.ts";
import { compareEntryIds } from "../event.ts";
import type { FeedEntry, WaitOptions } from "../port.ts";
import { decodeFeedEntry } from "./codec.ts";

/** How long one wait for entries is, in milliseconds: with several partitions, also how late one may be. */
const WAIT_MS = 5000;
const WAIT_PARTITIONS_MS = 50;

/** What it follows the feeds over. */
export interface FeedFollowOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly subscriptions: Subscriptions;
}

/**
 * Entries after `after`, or from now on. `gap` stands wherever entries may be missing: those after `after` were
 * trimmed away, or Redis lost data, or trimmed the feed while the link was down.
 */
export async function* followFeed(
  { keys, commands, subscriptions }: FeedFollowOptions,
  { signal, after }: WaitOptions & { after?: string },
): AsyncIterable<FeedEntry | "gap"> {
  const feeds = keys.each((partition) => keys.feed(partition));
  const infos = await Promise.all(feeds.map((feed) => readStreamInfo(commands, feed)));
  if (after !== undefined && isGone(infos, after)) yield "gap";
  const live = feeds.map((feed, partition) => {
    const lastId = infos[partition]?.lastId ?? "0-0";
    return subscriptions.subscribe(feed, after !== undefined && compareEntryIds(after, lastId) < 0 ? after : lastId);
  });
  try {
    const timeoutMs = live.length > 1 ? WAIT_PARTITIONS_MS : WAIT_MS;
    while (!signal.aborted) {
      const batches = await Promise.all(live.map((subscription) => subscription.next({ signal, timeoutMs })));
      for (const [partition, entries] of batches.entries()) {
        if (live[partition]!.takeLoss()) yield "gap";
        for (const entry of entries) {
          yield decodeFeedEntry(entry, partition);
          if (signal.aborted) return;
        }
      }
    }
  } finally {
    for (const subscription of live) subscription.close();
  }
}

/** True when entries after `after` have been trimmed away, or were lost: no feed ever came that far. */
function isGone(infos: readonly (StreamInfo | undefined)[], after: string): boolean {
  if (infos.every((info) => compareEntryIds(info?.lastId ?? "0-0", after) < 0)) return true;
  return infos.some((info) => Number(info?.firstId?.split("-")[0] ?? 0) > Number(after.split("-")[0]));
}
