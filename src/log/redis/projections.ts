/**
 * The assembler's indexes, counters and documents on Redis.
 */
import type { RedisConnection, Reply } from "../../redis/connection.ts";
import type { Documents } from "../../redis/documents.ts";
import type { Keys } from "../../redis/keys.ts";
import { defineScript, runScript } from "../../redis/script.ts";
import { parseEntries, parseStreams } from "../../redis/stream_reader.ts";
import type { Subscriptions } from "../../redis/subscriptions.ts";
import { isEnded } from "../event.ts";
import type { ExecutionMeta, FeedEntry, ListOptions, ProgressDocument, Projections, WaitOptions } from "../port.ts";
import { decodeFeedEntry } from "./codec.ts";
import { listExecutions } from "./list.ts";
import { makeGroup } from "./work_queue.ts";

/** How long a progress document outlives its last change, running and ended, in milliseconds. */
const RUNNING_TTL_MS = 3_600_000;
const ENDED_TTL_MS = 60_000;
/** How long the feed is kept for readers who were away, in milliseconds. */
const FEED_KEPT_MS = 60_000;
/** After how long an entry that was taken and not acknowledged is another assembler's, in milliseconds. */
const IDLE_MS = 30_000;
/** How long daily counters live. */
const DAILY_TTL_SECONDS = 35 * 86_400;

const ASSEMBLE = defineScript(`
-- KEYS  1 feed  2 index of all  3 index of the active  4 expiry  5.. indexes of workflows and statuses, daily counters
-- ARGV  1 group  2 TTL of daily counters (s)  3 how many entries end nothing  4 how many executions are active
--       then the ids of those entries
--       then for each active execution: id, number of its workflow's index in KEYS
--       then for each ended one: id of its feed entry, id, numbers in KEYS of workflow's index, status's index and
--       daily counters, score of its expiry, member of its expiry, status, duration (ms)
-- Reply how many ended executions were counted: those whose entry had not been acknowledged before
local plain, active = tonumber(ARGV[3]), tonumber(ARGV[4])
for i = 5, 4 + plain do redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
local at = 5 + plain
for _ = 1, active do
  redis.call('ZADD', KEYS[2], 0, ARGV[at])
  redis.call('ZADD', KEYS[3], 0, ARGV[at])
  redis.call('ZADD', KEYS[tonumber(ARGV[at + 1])], 0, ARGV[at])
  at = at + 2
end
local counted = 0
while at <= #ARGV do
  local id = ARGV[at + 1]
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZADD', KEYS[2], 0, id)
  redis.call('ZADD', KEYS[tonumber(ARGV[at + 2])], 0, id)
  redis.call('ZADD', KEYS[tonumber(ARGV[at + 3])], 0, id)
  redis.call('ZADD', KEYS[4], ARGV[at + 5], ARGV[at + 6])
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[at]) == 1 then
    counted = counted + 1
    local daily = KEYS[tonumber(ARGV[at + 4])]
    redis.call('HINCRBY', daily, ARGV[at + 7], 1)
    redis.call('HINCRBY', daily, 'durationMs', ARGV[at + 8])
    redis.call('EXPIRE', daily, ARGV[2])
  end
  at = at + 9
end
return counted
`);

/** What projections are made of. */
export interface RedisProjectionsOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly documents: Documents;
  readonly subscriptions: Subscriptions;
  readonly openBlocked: () => Promise<RedisConnection>;
  readonly instance: string;
  readonly group: string;
}

/** {@linkcode Projections} on Redis. */
export class RedisProjections implements Projections {
  readonly #options: RedisProjectionsOptions;
  #blocked: Promise<RedisConnection> | undefined;
  #drain = true;

  constructor(options: RedisProjectionsOptions) {
    this.#options = options;
  }

  async takeFeed(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    const { signal, count, blockMs } = options;
    this.#blocked ??= this.#open();
    const blocked = await this.#blocked.catch((error) => {
      this.#blocked = undefined;
      throw error;
    });
    const wake = () => {
      this.#options.commands.send(["CLIENT", "UNBLOCK", String(blocked.id)]).catch(() => {});
    };
    signal.addEventListener("abort", wake, { once: true });
    try {
      if (signal.aborted) return [];
      if (this.#drain) {
        await this.#claimIdle(count);
        const missed = await this.#read(blocked, { count, id: "0" });
        if (missed.length > 0) return missed;
        this.#drain = false;
      }
      return await this.#read(blocked, { count, id: ">", blockMs });
    } catch (error) {
      if (!(error instanceof Error) || !/^(NOGROUP|UNBLOCKED)/.test(error.message)) throw error;
      await this.#makeGroups();
      return [];
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  async applyFeed(entries: readonly FeedEntry[]): Promise<void> {
    const byPartition = groupByPartition(entries);
    await Promise.all([...byPartition].map(([partition, batch]) => this.#apply(partition, batch)));
  }

  async putProgress(document: ProgressDocument): Promise<void> {
    const { keys, documents } = this.#options;
    const ttlMs = isEnded(document.status) ? ENDED_TTL_MS : RUNNING_TTL_MS;
    await documents.set(keys.state(document.executionId), document, { ttlMs });
  }

  progress(executionId: string): Promise<ProgressDocument | undefined> {
    return this.#options.documents.get(this.#options.keys.state(executionId));
  }

  async sweep(): Promise<void> {
    const { keys, commands } = this.#options;
    if (!commands.ready) return;
    for (let partition = 0; partition < keys.partitions; partition++) {
      await this.#forget(partition);
      await this.#trim(partition);
      await this.#findIdle(partition);
    }
  }

  list(options: ListOptions): Promise<{ executions: ExecutionMeta[]; nextCursor?: string }> {
    return listExecutions(this.#options, options);
  }

  async *followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FeedEntry | "gap"> {
    const { keys, commands, subscriptions } = this.#options;
    const { signal } = options;
    const feeds = keys.each((partition) => keys.feed(partition));
    const starts = await Promise.all(feeds.map(async (feed) => {
      if (options.after !== undefined) return options.after;
      return parseEntries(await commands.send(["XREVRANGE", feed, "+", "-", "COUNT", "1"]))[0]?.id ?? "0-0";
    }));
    if (options.after !== undefined && await this.#isGone(feeds, options.after)) yield "gap";
    const live = feeds.map((feed, partition) => subscriptions.subscribe(feed, starts[partition]!));
    try {
      while (!signal.aborted) {
        const next = live.map((subscription) => subscription.next({ signal, timeoutMs: live.length > 1 ? 50 : 5000 }));
        for (const [partition, entries] of (await Promise.all(next)).entries()) {
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

  /** Closes the blocked connection. */
  async close(): Promise<void> {
    (await this.#blocked?.catch(() => undefined))?.close();
  }

  async #open(): Promise<RedisConnection> {
    await this.#makeGroups();
    const blocked = await this.#options.openBlocked();
    blocked.onReady(() => {
      this.#drain = true;
    });
    return blocked;
  }

  async #makeGroups(): Promise<void> {
    const { keys, commands, group } = this.#options;
    for (const feed of keys.each((partition) => keys.feed(partition))) await makeGroup(commands, feed, group);
  }

  async #read(
    blocked: RedisConnection,
    { count, id, blockMs }: { count: number; id: string; blockMs?: number },
  ): Promise<FeedEntry[]> {
    const { keys, group, instance } = this.#options;
    const feeds = keys.each((partition) => keys.feed(partition));
    const block = blockMs === undefined ? [] : ["BLOCK", String(blockMs)];
    const reply = await blocked.send([
      ...["XREADGROUP", "GROUP", group, instance, "COUNT", String(count), ...block],
      ...["STREAMS", ...feeds, ...feeds.map(() => id)],
    ], { deadlineMs: (blockMs ?? 0) + 2000 });
    return parseStreams(reply).flatMap(([name, entries]) => {
      const partition = feeds.indexOf(name);
      return entries.map((entry) => decodeFeedEntry(entry, partition));
    });
  }

  /** Makes what another assembler took and never acknowledged this one's own. */
  async #claimIdle(count: number): Promise<void> {
    const { keys, commands, group, instance } = this.#options;
    for (const feed of keys.each((partition) => keys.feed(partition))) {
      const words = ["XAUTOCLAIM", feed, group, instance, String(IDLE_MS), "0-0", "COUNT", String(count), "JUSTID"];
      await commands.send(words);
    }
  }

  /** Looks again for what is pending when some of it has been idle for long. */
  async #findIdle(partition: number): Promise<void> {
    const { keys, commands, group } = this.#options;
    const words = ["XPENDING", keys.feed(partition), group, "IDLE", String(IDLE_MS), "-", "+", "1"];
    const idle = await commands.send<Reply[]>(words).catch(() => []);
    if (idle.length > 0) this.#drain = true;
  }

  async #apply(partition: number, entries: readonly FeedEntry[]): Promise<void> {
    const { keys, commands, group } = this.#options;
    const names = [
      keys.feed(partition),
      keys.index(partition, "all"),
      keys.index(partition, "status:active"),
      keys.expiry(partition),
    ];
    const numbers = new Map<string, string>();
    const numberOf = (name: string): string => {
      let number = numbers.get(name);
      if (number === undefined) numbers.set(name, number = String(names.push(name)));
      return number;
    };
    const plain: string[] = [];
    const active = new Map<string, string>();
    const ended: string[] = [];
    for (const entry of entries) {
      const { id, executionId, workflowId } = entry;
      const index = numberOf(keys.index(partition, `workflow:${workflowId}`));
      if (entry.ended === undefined) {
        plain.push(id);
        active.set(executionId, index);
        continue;
      }
      const { status, requestedAt, endedAt, keptUntil } = entry.ended;
      active.delete(executionId);
      const daily = keys.daily(partition, workflowId, new Date(endedAt).toISOString().slice(0, 10));
      const statusIndex = numberOf(keys.index(partition, `status:${status}`));
      const member = `${executionId} ${status} ${workflowId}`;
      ended.push(id, executionId, index, statusIndex, numberOf(daily), String(keptUntil), member);
      ended.push(status, String(Math.max(0, endedAt - requestedAt)));
    }
    await runScript(commands, ASSEMBLE, {
      keys: names,
      args: [
        group,
        String(DAILY_TTL_SECONDS),
        String(plain.length),
        String(active.size),
        ...plain,
        ...[...active].flat(),
        ...ended,
      ],
    });
  }

  /** Takes what has expired out of the indexes. */
  async #forget(partition: number): Promise<void> {
    const { keys, commands } = this.#options;
    const expiry = keys.expiry(partition);
    for (;;) {
      const members = await commands.send<string[]>(
        ["ZRANGE", expiry, "-inf", String(Date.now()), "BYSCORE", "LIMIT", "0", "1000"],
      );
      if (members.length === 0) return;
      const drops = new Map<string, string[]>();
      const drop = (name: string, id: string) => {
        const ids = drops.get(name);
        if (ids === undefined) drops.set(name, [id]);
        else ids.push(id);
      };
      for (const member of members) {
        const [id = "", status = "", workflowId = ""] = member.split(" ");
        drop(keys.index(partition, "all"), id);
        drop(keys.index(partition, "status:active"), id);
        drop(keys.index(partition, `status:${status}`), id);
        drop(keys.index(partition, `workflow:${workflowId}`), id);
      }
      await Promise.all([...drops].map(([name, ids]) => commands.send(["ZREM", name, ...ids])));
      await commands.send(["ZREM", expiry, ...members]);
    }
  }

  /** Trims the feed behind the slowest group and behind the time for which it is kept, whichever is older. */
  async #trim(partition: number): Promise<void> {
    const { keys, commands } = this.#options;
    const feed = keys.feed(partition);
    const groups = await commands.send<string[][]>(["XINFO", "GROUPS", feed]).catch(() => []);
    let oldest = Date.now() - FEED_KEPT_MS;
    for (const group of groups) {
      const info = new Map<string, string>();
      for (let i = 0; i + 1 < group.length; i += 2) info.set(group[i]!, group[i + 1]!);
      const [count, lowest] = await commands.send<[number, string | null]>(["XPENDING", feed, info.get("name")!]);
      const reached = count > 0 && lowest !== null ? lowest : info.get("last-delivered-id")!;
      oldest = Math.min(oldest, Number(reached.split("-")[0]));
    }
    if (oldest > 0) await commands.send(["XTRIM", feed, "MINID", "~", String(oldest)]);
  }

  /** True when entries after `after` have been trimmed away. */
  async #isGone(feeds: readonly string[], after: string): Promise<boolean> {
    for (const feed of feeds) {
      const [first] = parseEntries(await this.#options.commands.send(["XRANGE", feed, "-", "+", "COUNT", "1"]));
      const firstMs = Number(first?.id.split("-")[0] ?? 0);
      if (firstMs > Number(after.split("-")[0])) return true;
    }
    return false;
  }
}

function groupByPartition(entries: readonly FeedEntry[]): Map<number, FeedEntry[]> {
  const groups = new Map<number, FeedEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.partition);
    if (group === undefined) groups.set(entry.partition, [entry]);
    else group.push(entry);
  }
  return groups;
}
