/**
 * The Redis driver: opens the connections of an instance and puts its ports together.
 *
 * Connections: one for commands, one for reading what may be large, one blocked on the inbox and the control stream,
 * one blocked on followed logs, and one each for the worker, the assembler and the archiver. Their number does not depend on how many callers wait.
 *
 * @example
 * ```ts
 * await using store = await openRedisStore({ url: "redis://127.0.0.1:6379", instance: "a" });
 * ```
 */
import { RedisClock } from "./connection/clock.ts";
import { RedisConnection } from "./connection/connection.ts";
import { openDocuments } from "./connection/documents.ts";
import { Keys } from "./keys.ts";
import { MemoryWatch } from "./connection/memory_watch.ts";
import { Probe } from "./connection/probe.ts";
import { checkServer } from "./connection/server_check.ts";
import { StreamReader } from "./streams/stream_reader.ts";
import { Subscriptions } from "./streams/subscriptions.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import { Waiters } from "../../execution/waiters.ts";
import type { Store } from "../store.ts";
import { STORE_DEFAULTS } from "../store_rules.ts";
import { agreeOnDocuments, agreeOnPartitions } from "./agreements.ts";
import { RedisCaches } from "./caches.ts";
import { announce, followControl } from "./control.ts";
import { RedisArchiveFeed } from "./archive_feed.ts";
import { storeHealth } from "./store_health.ts";
import type { RedisStoreOptions } from "./store_options.ts";
import { RedisExternalWork } from "./external_work.ts";
import { RedisLog } from "./execution_log.ts";
import { RedisArrivals } from "./arrivals.ts";
import { RedisForks } from "./forks.ts";
import { RedisDeadLetters } from "./dead_letters.ts";
import { RedisAudit } from "./audit.ts";
import { boundFeeds } from "./feed_trim.ts";
import { RedisImports } from "./imports.ts";
import { Inbox } from "./inbox.ts";
import { RedisLocks } from "./locks.ts";
import { LocalLeases } from "./local_leases.ts";
import { LogReader } from "./log_reader.ts";
import { RedisProjections } from "./projections.ts";
import { RedisRequests } from "./requests.ts";
import { openSessions } from "./sessions.ts";
import { RedisStatistics } from "./statistics.ts";
import { RedisRateLimits } from "./rate_limits.ts";
import { RedisSchedules } from "./schedules.ts";
import { RedisWorkQueue } from "./work_queue.ts";
import { RedisWorkflowStore } from "./workflow_store.ts";

const WORKERS = "workers";
const ASSEMBLER = "assembler";
/** Connects. Throws when Redis cannot be reached, cannot be trusted, or was set up in another way. */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { instance, prefix = "mr:", partitions = 1, maxFollowers = 1000, onError = () => {} } = options;
  const { leaseSeconds = 10, feedBacklogSeconds = 3600, connectTimeoutMs, sweepMs = 60_000 } = options;
  const bounds = { ...STORE_DEFAULTS, ...options };
  const { maxWaiters, queueLimit, maxDeliveries, logLimitBytes, historyTtlSeconds, cacheLimitBytes } = bounds;
  const { archivedTtlSeconds = historyTtlSeconds } = options;
  const keys = new Keys({ prefix, partitions });
  const opened: RedisConnection[] = [];
  /** What was started, to be ended in reverse; at the last the connections. */
  const started: (() => unknown)[] = [];
  const close = async () => {
    for (const end of started.splice(0).reverse()) await Promise.resolve(end()).catch(onError);
    for (const connection of opened) connection.close();
  };
  const open = async (role: string) => {
    const name = `millrace:${instance}:${role}`.replaceAll(/[^\x21-\x7e]/g, "_");
    const timeout = connectTimeoutMs && { connectTimeoutMs };
    const connection = await RedisConnection.open({ url: options.url, name, onError, ...timeout });
    opened.push(connection);
    return connection;
  };
  try {
    const commands = await open("commands");
    await checkServer(commands);
    await agreeOnPartitions(commands, keys);
    const documents = openDocuments(commands, await agreeOnDocuments(commands, keys));
    const clock = await RedisClock.start({ connection: commands, onError });
    started.push(() => clock.stop());
    const memory = new MemoryWatch({ connection: commands });
    started.push(() => memory.stop());
    await memory.look();
    const reads = await open("reads");
    const reader = new LogReader({ keys, connection: reads });
    const waiters = new Waiters({ instance, limit: maxWaiters });
    const inboxes = new StreamReader({ blocked: await open("inbox"), commands, onError });
    const logs = new StreamReader({ blocked: await open("logs"), commands, onError });
    started.push(() => Promise.all([inboxes.stop(), logs.stop()]));
    const subscriptions = new Subscriptions(logs, { limit: maxFollowers });
    const workflows = new RedisWorkflowStore({ keys, commands, clock, documents, historyTtlSeconds });
    const leaseMs = leaseSeconds * 1000;
    const appending = { keys, commands, clock, memory, group: WORKERS, logLimitBytes, maxDeliveries, leaseMs };
    const held = { locals: new LocalLeases({ keys }), waiters, instance, onError };
    const work = new RedisWorkQueue({ ...appending, ...held, openBlocked: () => open("worker") });
    started.push(() => work.close());
    const inbox: Inbox = new Inbox({
      ...{ keys, commands, reader: inboxes, instance, waiters, onError },
      result: async (executionId): Promise<ExecutionResult | undefined> =>
        await log.result(executionId) ?? await log.earlyReply(executionId),
      resolve: (reply) => log.resolve(reply),
    });
    const requests = new RedisRequests({
      ...appending,
      ...held,
      queueLimit,
      cancel: (executionId, options) => log.cancel(executionId, options),
    });
    const log: RedisLog = new RedisLog({
      ...appending,
      ...{ requests, reader, subscriptions },
      announce: (what, executionId) => announce(commands, keys, { what, executionId }),
    });
    const projections = new RedisProjections({
      keys,
      commands,
      clock,
      documents,
      subscriptions,
      openBlocked: () => open("assembler"),
      instance,
      group: ASSEMBLER,
      expiresSooner: archivedTtlSeconds < historyTtlSeconds,
      ...(options.feedKeptMs === undefined ? {} : { feedKeptMs: options.feedKeptMs }),
    });
    started.push(() => projections.close());
    const locks = new RedisLocks({ keys, commands, clock, reader: inboxes, instance, onError });
    started.push(() => locks.close());
    const sessions = openSessions({
      ...{ keys, commands, clock, memory, documents, subscriptions },
      mailbox: { entries: bounds.mailboxEntries, bytes: bounds.mailboxBytes },
    });
    const archiveFeed = new RedisArchiveFeed({
      keys,
      commands,
      clock,
      openBlocked: () => open("history"),
      instance,
      historyTtlSeconds: archivedTtlSeconds,
    });
    started.push(() => archiveFeed.close());
    const probe = new Probe({
      connection: commands,
      key: keys.probe(instance),
      others: () => opened.filter((connection) => connection !== commands),
      onChange: (usable, reason) => {
        if (!usable) onError(new Error(reason));
      },
    });
    started.push(() => probe.stop());
    const sweeper = setInterval(() => {
      // The control stream is short: an instance that stood still may have missed what it said, and not know.
      if (commands.ready) workflows.changed(undefined);
      Promise.all([boundFeeds({ keys, commands, clock }, { mostMs: feedBacklogSeconds * 1000 }), work.sweep()]).catch(
        onError,
      );
    }, sweepMs);
    started.push(() => clearInterval(sweeper), () => inbox.close());
    await inbox.open();
    await followControl({ keys, commands, reader: inboxes, workflows, work });
    commands.onReady(async () => {
      workflows.changed(undefined);
      await agreeOnPartitions(commands, keys).catch(onError);
      await agreeOnDocuments(commands, keys, { used: documents.kind }).catch(onError);
      await inbox.recover();
    });
    return {
      driver: "redis",
      documents: documents.kind,
      clock,
      log,
      shortWay: requests,
      replies: waiters,
      work,
      projections,
      archiveFeed,
      statistics: new RedisStatistics({ keys, commands }),
      external: new RedisExternalWork({
        ...appending,
        reader,
        announce: (executionId) => announce(commands, keys, { what: "cancelled", executionId }),
      }),
      workflows,
      deadLetters: new RedisDeadLetters({ keys, connection: reads }),
      forks: new RedisForks({ keys, commands }),
      rateLimits: new RedisRateLimits({ keys, commands, memory }),
      imports: new RedisImports({ keys, connection: reads, memory }),
      locks,
      caches: new RedisCaches({ keys, connection: reads, clock, memory, limitBytes: cacheLimitBytes }),
      ...sessions,
      schedules: new RedisSchedules({ keys, commands }),
      audit: new RedisAudit({ keys, commands, limit: bounds.auditLimit }),
      ready: () => {
        const reason = probe.reason ?? memory.reason ??
          (opened.every((connection) => connection.ready) ? undefined : "Some connections to Redis are not back yet");
        return reason === undefined ? { ready: true } : { ready: false, reason };
      },
      away: () => probe.reason !== undefined || !opened.every((connection) => connection.ready),
      arrivals: new RedisArrivals({ keys, commands }),
      health: () => storeHealth({ commands, clock, probe }),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
