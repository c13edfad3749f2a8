/**
 * The assembler's indexes, counters and documents on Redis.
 */
import type { Clock } from "../../lib/clock.ts";
import { UnavailableError } from "../../lib/errors.ts";
import type { RedisConnection } from "./connection/connection.ts";
import { forgetConsumers } from "./streams/consumer_group.ts";
import type { Documents } from "./connection/documents.ts";
import type { Keys } from "./keys.ts";
import { assemble, type EndedEntry, type EndedGroup } from "./scripts/assemble.ts";
import { forget } from "./scripts/forget.ts";
import { putDocument } from "./scripts/put_document.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";
import type { ExecutionMeta, WaitOptions } from "../../execution/log.ts";
import type { FeedEntry, FeedMark, FollowedEntry, ListOptions, Projections } from "../../feed/projections.ts";
import { expiryOf, type KeptDocument, type ProgressDocument } from "../../feed/progress_document.ts";
import { countsOf, KEPT_DAYS } from "../../feed/statistics.ts";
import { followFeed } from "./feed_follow.ts";
import { FeedReader } from "./feed_reader.ts";
import { trimFeed } from "./feed_trim.ts";
import { resetAll, scanExecutions } from "./rebuild_scan.ts";
import { listExecutions } from "./list.ts";

/** How long daily counters live, a day longer than they are shown. */
const DAILY_TTL_SECONDS = (KEPT_DAYS + 1) * 86_400;
/** How many executions one script forgets. */
const FORGOTTEN = 500;
/** At every how many sweeps consumers that are gone are forgotten. */
const FORGET_EVERY = 60;

/** What projections are made of. */
export interface RedisProjectionsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** How progress documents are kept. */
  readonly documents: Documents;
  /** Stream subscriptions over one blocked connection. */
  readonly subscriptions: Subscriptions;
  /** Opens a connection for commands that block. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** Name of this instance. */
  readonly instance: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** Whether executions expire sooner than the entries of their ends say, once they are archived. */
  readonly expiresSooner: boolean;
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

  async applyFeed(entries: readonly FeedEntry[], held: ReadonlySet<FeedEntry> = new Set()): Promise<void> {
    const byPartition = groupByPartition(entries);
    try {
      await Promise.all([...byPartition].map(([partition, batch]) => this.#apply(partition, batch, held)));
    } catch (error) {
      this.#reader.again();
      throw error;
    }
  }

  async putProgress({ document, upTo }: KeptDocument, ended?: FeedEntry["ended"]): Promise<void> {
    const { keys, commands, clock, documents } = this.#options;
    try {
      await putDocument(commands, {
        keys: { document: keys.state(document.executionId) },
        kind: documents.kind,
        document: { ...document, upTo },
        expiresAt: expiryOf(ended, clock.now()),
      });
    } catch (error) {
      // The batch that it belongs to is not applied, then.
      if (error instanceof UnavailableError) this.#reader.again();
      throw error;
    }
  }

  async progress(executionId: string): Promise<KeptDocument | undefined> {
    const { keys, documents } = this.#options;
    const kept = await documents.get<ProgressDocument & { upTo?: string }>(keys.state(executionId));
    if (kept?.upTo === undefined) return undefined;
    const { upTo, ...document } = kept;
    return { document, upTo };
  }

  async dropProgress(executionIds: readonly string[]): Promise<void> {
    const { keys, commands } = this.#options;
    await Promise.all(executionIds.map((id) => commands.send(["UNLINK", keys.state(id)])));
  }

  reset(): Promise<void> {
    return resetAll(this.#options);
  }

  everything(): AsyncIterable<{ entries: FeedEntry[]; total: number }> {
    return scanExecutions(this.#options);
  }

  async sweep(): Promise<void> {
    const { keys, commands, group } = this.#options;
    if (!commands.ready) return;
    const forget = this.#sweeps++ % FORGET_EVERY === 0;
    for (let partition = 0; partition < keys.partitions; partition++) {
      await this.#forgetExpired(partition);
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

  async #apply(partition: number, entries: readonly FeedEntry[], held: ReadonlySet<FeedEntry>): Promise<void> {
    const { keys, commands, group, instance, expiresSooner } = this.#options;
    const plain: string[] = [];
    const active = new Map<string, string>();
    const ended = new Map<string, EndedGroup & { entries: EndedEntry[] }>();
    for (const entry of entries) {
      const { id, executionId, workflowId } = entry;
      if (entry.ended === undefined) {
        if (id !== "" && !held.has(entry)) plain.push(id);
        active.set(executionId, keys.index(partition, `workflow:${workflowId}`));
        continue;
      }
      const { day, status, durationMs, bucket } = countsOf(entry.ended);
      active.delete(executionId);
      const kind = `${status} ${day} ${workflowId}`;
      let group = ended.get(kind);
      if (group === undefined) {
        const names = {
          workflow: keys.index(partition, `workflow:${workflowId}`),
          status: keys.index(partition, `status:${status}`),
          daily: keys.daily(partition, day),
        };
        ended.set(kind, group = { keys: names, workflowId, status, day, entries: [] });
      }
      const counted = entry.imported ? "" : `${durationMs} ${bucket}`;
      group.entries.push({ id, executionId, keptUntil: entry.ended.keptUntil, counted });
    }
    await assemble(commands, {
      keys: { feed: keys.feed(partition), ...indexKeys(keys, partition) },
      group,
      consumer: instance,
      dailyTtlSeconds: DAILY_TTL_SECONDS,
      base: keys.base(partition),
      expiresSooner,
      entryIds: plain,
      active,
      ended: [...ended.values()],
    });
  }

  /** Takes what has expired out of the indexes. */
  async #forgetExpired(partition: number): Promise<void> {
    const { keys, commands, clock } = this.#options;
    let hasMore: boolean;
    do {
      hasMore = await forget(commands, {
        keys: indexKeys(keys, partition),
        now: clock.now(),
        count: FORGOTTEN,
        dailyTtlSeconds: DAILY_TTL_SECONDS,
        base: keys.base(partition),
      });
    } while (hasMore);
  }
}

function indexKeys(keys: Keys, partition: number) {
  return {
    all: keys.index(partition, "all"),
    active: keys.index(partition, "status:active"),
    pending: keys.index(partition, "status:pending"),
    expiry: keys.expiry(partition),
    expiryBefore: keys.expiryBefore(partition),
  };
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
