/**
 * The assembler's indexes, counters and documents on Redis.
 */
import type { Clock } from "../../lib/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import { forgetConsumers } from "./streams/consumer_group.ts";
import type { Documents } from "./connection/documents.ts";
import type { Keys } from "./keys.ts";
import { defineScript, runScript } from "./connection/script.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";
import { isEnded } from "../../execution/event.ts";
import type { ExecutionMeta, WaitOptions } from "../../execution/log.ts";
import type { FeedEntry, FollowedEntry, ListOptions, ProgressDocument, Projections } from "../../feed/projections.ts";
import { followFeed } from "./feed_follow.ts";
import { FeedReader } from "./feed_reader.ts";
import { trimFeed } from "./feed_trim.ts";
import { listExecutions } from "./list.ts";

/** How long a progress document outlives its last change, running and ended, in milliseconds. */
const RUNNING_TTL_MS = 3_600_000;
const ENDED_TTL_MS = 60_000;
/** How long daily counters live. */
const DAILY_TTL_SECONDS = 35 * 86_400;
/** At every how many sweeps consumers that are gone are forgotten. */
const FORGET_EVERY = 60;

const ASSEMBLE = defineScript(`
-- KEYS  1 feed  2 index of all  3 index of the active  4 expiry  5.. indexes of workflows and statuses, daily counters
-- ARGV  1 group  2 TTL of daily counters (s)  3 how many entries end nothing  4 how many executions are active  5 base
--       then the ids of those entries
--       then for each active execution: id, number of its workflow's index in KEYS
--       then for each ended one: id of its feed entry, id, numbers in KEYS of workflow's index, status's index and
--       daily counters, score of its expiry, member of its expiry, status, duration (ms)
-- Reply how many ended executions were counted: those whose entry had not been acknowledged before
local plain, active = tonumber(ARGV[3]), tonumber(ARGV[4])
for i = 6, 5 + plain do redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
local at = 6 + plain
for _ = 1, active do
  -- Another assembler may have been told its end already, and have forgotten it: it must not come back.
  local status = redis.call('HGET', ARGV[5] .. 'meta:' .. ARGV[at], 'status')
  if status == 'pending' or status == 'running' or status == 'paused' then
    redis.call('ZADD', KEYS[2], 0, ARGV[at])
    redis.call('ZADD', KEYS[3], 0, ARGV[at])
    redis.call('ZADD', KEYS[tonumber(ARGV[at + 1])], 0, ARGV[at])
  end
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
  readonly clock: Clock;
  readonly documents: Documents;
  readonly subscriptions: Subscriptions;
  readonly openBlocked: () => Promise<RedisConnection>;
  readonly instance: string;
  readonly group: string;
  /** How long the feed is kept for readers who were away, in milliseconds, 60,000 by default. */
  readonly feedKeptMs?: number;
}

/** {@linkcode Projections} on Redis. */
export class RedisProjections implements Projections {
  readonly #options: RedisProjectionsOptions;
  readonly #reader: FeedReader;
  #sweeps = 0;

  constructor(options: RedisProjectionsOptions) {
    this.#options = options;
    this.#reader = new FeedReader(options);
  }

  takeFeed(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    return this.#reader.take(options);
  }

  async applyFeed(entries: readonly FeedEntry[]): Promise<void> {
    const byPartition = groupByPartition(entries);
    try {
      await Promise.all([...byPartition].map(([partition, batch]) => this.#apply(partition, batch)));
    } catch (error) {
      this.#reader.again();
      throw error;
    }
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
    const { keys, commands, group } = this.#options;
    if (!commands.ready) return;
    const forget = this.#sweeps++ % FORGET_EVERY === 0;
    for (let partition = 0; partition < keys.partitions; partition++) {
      await this.#forget(partition);
      await trimFeed(this.#options, partition);
      await this.#reader.findIdle(partition);
      if (forget) await forgetConsumers(commands, keys.feed(partition), { group });
    }
  }

  list(options: ListOptions): Promise<{ executions: ExecutionMeta[]; nextCursor?: string }> {
    return listExecutions(this.#options, options);
  }

  followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FollowedEntry | "gap"> {
    return followFeed(this.#options, options);
  }

  /** Closes the blocked connection. */
  close(): Promise<void> {
    return this.#reader.close();
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
        keys.base(partition),
        ...plain,
        ...[...active].flat(),
        ...ended,
      ],
    });
  }

  /** Takes what has expired out of the indexes. */
  async #forget(partition: number): Promise<void> {
    const { keys, commands, clock } = this.#options;
    const expiry = keys.expiry(partition);
    for (;;) {
      const members = await commands.send<string[]>(
        ["ZRANGE", expiry, "-inf", String(clock.now()), "BYSCORE", "LIMIT", "0", "1000"],
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
