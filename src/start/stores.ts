/**
 * Opens what an instance keeps its executions in, by its configuration.
 */
import { getHeapStatistics } from "node:v8";
import type { Config } from "../config/config.ts";
import { reasonOf } from "../lib/reason.ts";
import type { Archive } from "../feed/archive.ts";
import { createMemoryStore } from "../storage/memory/store.ts";
import type { Store } from "../storage/store.ts";
import { openRedisStore } from "../storage/redis/store.ts";
import type { Logger } from "../telemetry/logger.ts";

/** It could not start, for a reason that one line tells. */
export class StartError extends Error {}

/** The store of the configuration: Redis, or this process's memory. Throws {@linkcode StartError}. */
export async function openStore(config: Config, logger: Logger): Promise<Store> {
  const { instance, maxWaiters, maxDeliveries, queueLimit, logLimitBytes, historyTtlSeconds, redis } = config;
  const wings = {
    mailboxEntries: config.mailboxLimit,
    mailboxBytes: config.mailboxLimitBytes,
    cacheLimitBytes: config.cacheLimitBytes,
    auditLimit: config.auditLimit,
  };
  if (redis === undefined) {
    const retentionBytes = config.retentionBytes ?? Math.floor(getHeapStatistics().heap_size_limit / 4);
    const bounds = { maxWaiters, maxDeliveries, queueLimit, logLimitBytes, retentionBytes };
    const times = { historyTtlSeconds: keptSeconds(config), archivedTtlSeconds: historyTtlSeconds };
    return createMemoryStore({ instance, ...bounds, ...times, ...wings });
  }
  try {
    return await openRedisStore({
      url: redis.url,
      instance,
      prefix: config.redisPrefix,
      partitions: config.partitions,
      maxWaiters,
      maxFollowers: config.maxFollowers,
      leaseSeconds: config.leaseSeconds,
      maxDeliveries,
      queueLimit,
      historyTtlSeconds: keptSeconds(config),
      archivedTtlSeconds: historyTtlSeconds,
      ...(config.databaseUrl !== undefined && { feedBacklogSeconds: config.historyBacklogSeconds }),
      logLimitBytes,
      ...wings,
      onError: (error) => logger.warn({ error }, "redis"),
    });
  } catch (error) {
    throw new StartError(`Cannot use Redis at ${redis.safeUrl}: ${reasonOf(error)}`);
  }
}

/** How long the store keeps an execution that ended: what the database has not had yet, for longer. */
export function keptSeconds({ databaseUrl, historyTtlSeconds, historyBacklogSeconds }: Config): number {
  return databaseUrl === undefined ? historyTtlSeconds : Math.max(historyTtlSeconds, historyBacklogSeconds);
}

/** The archive, whether its database is there or not; its driver is loaded where it is used. */
export async function openHistory(config: Config, logger: Logger): Promise<(Archive & AsyncDisposable) | undefined> {
  const { databaseUrl: url, instance, historyDays } = config;
  if (url === undefined) return undefined;
  const { openArchive } = await import("../storage/postgres/archive.ts");
  return openArchive({ url, instance, historyDays, onError: (error) => logger.warn({ error }, "history") });
}
