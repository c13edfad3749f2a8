/**
 * The assembler's indexes, counters and documents on Redis.
 */
import type { Clock } from "../../lib/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import { forgetConsumers } from "./streams/consumer_group.ts";
import type { Documents } from "./connection/documents.ts";
import type { Keys } from "./keys.ts";
import { assemble, type EndedEntry } from "./scripts/assemble.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";
import { isEnded } from "../../execution/event.ts";
import type { ExecutionMeta, WaitOptions } from "../../execution/log.ts";
import type {
  FeedEntry,
  FeedMark,
  FollowedEntry,
  ListOptions,
  ProgressDocument,
  Projections,
} from "../../feed/projections.ts";
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

  followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FollowedEntry | FeedMark> {
    return followFeed(this.#options, options);
  }

  /** Closes the blocked connection. */
  close(): Promise<void> {
    return this.#reader.close();
  }

  async #apply(partition: number, entries: readonly FeedEntry[]): Promise<void> {
    const { keys, commands, group, instance } = this.#options;
    const plain: string[] = [];
    const active = new Map<string, string>();
    const ended: EndedEntry[] = [];
    for (const entry of entries) {
      const { id, executionId, workflowId } = entry;
      const workflow = keys.index(partition, `workflow:${workflowId}`);
      if (entry.ended === undefined) {
        plain.push(id);
        active.set(executionId, workflow);
        continue;
      }
      const { status, requestedAt, endedAt, keptUntil } = entry.ended;
      active.delete(executionId);
      ended.push({
        keys: {
          workflow,
          status: keys.index(partition, `status:${status}`),
          daily: keys.daily(partition, workflowId, new Date(endedAt).toISOString().slice(0, 10)),
        },
        id,
        executionId,
        keptUntil,
        member: `${executionId} ${status} ${workflowId}`,
        status,
        durationMs: Math.max(0, endedAt - requestedAt),
      });
    }
    await assemble(commands, {
      keys: {
        feed: keys.feed(partition),
        all: keys.index(partition, "all"),
        active: keys.index(partition, "status:active"),
        expiry: keys.expiry(partition),
      },
      group,
      consumer: instance,
      dailyTtlSeconds: DAILY_TTL_SECONDS,
      base: keys.base(partition),
      entryIds: plain,
      active,
      ended,
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
