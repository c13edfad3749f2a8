/**
 * The Redis driver: opens the connections of an instance and puts its ports together.
 *
 * Connections: one for commands, one for reading what may be large, one blocked on the inbox and the control stream,
 * one blocked on followed logs, and one each for the worker and the assembler. Their number does not depend on how many callers wait.
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
import type { StoreHealth } from "../../telemetry/store_health.ts";
import { announce, followControl } from "./control.ts";
import { RedisLog } from "./execution_log.ts";
import { RedisDeadLetters } from "./dead_letters.ts";
import { boundFeeds } from "./feed_trim.ts";
import { Inbox } from "./inbox.ts";
import { RedisLocks } from "./locks.ts";
import { LogReader } from "./log_reader.ts";
import { RedisProjections } from "./projections.ts";
import { openSessions } from "./sessions.ts";
import { RedisWorkQueue } from "./work_queue.ts";
import { RedisWorkflowStore } from "./workflow_store.ts";

const WORKERS = "workers";
const ASSEMBLER = "assembler";
/** How often an instance sees to it that feeds without readers and lists of workers stay bounded, in milliseconds. */
const SWEEP_EVERY_MS = 60_000;

/** What a store is opened with. */
export interface RedisStoreOptions {
  /** As `redis://[[user]:password@]host[:port][/database]`. */
  readonly url: string;
  /** The name of this process: its replies and its claims go under it. */
  readonly instance: string;
  /** What every key's name begins with; default `mr:`. */
  readonly prefix?: string;
  /** How many hash tags the keys are spread over; all instances of one Redis need the same; default 1. */
  readonly partitions?: number;
  /** How many callers of this instance may wait at once; default 10 000. */
  readonly maxWaiters?: number;
  /** How many followers of logs and of the feed this instance may have at once; default 1000. */
  readonly maxFollowers?: number;
  /** After how long another worker takes over what this one no longer renews; default 10. */
  readonly leaseSeconds?: number;
  /** How many claims without progress an execution may have; default 5. */
  readonly maxDeliveries?: number;
  /** How many executions may be queued or run at once in one partition; default 100 000. */
  readonly queueLimit?: number;
  /** How long the history of executions is kept at most; default 86 400. */
  readonly historyTtlSeconds?: number;
  /** The largest log of an execution, in bytes, 64 MiB by default. */
  readonly logLimitBytes?: number;
  /** How long the feed is kept for readers who were away, in milliseconds, 60,000 by default. */
  readonly feedKeptMs?: number;
  /** How many entries, and how many bytes, one mailbox holds; default 1000 and 1 MiB. */
  readonly mailboxEntries?: number;
  readonly mailboxBytes?: number;
  /** Hears of lost links and of background work that failed; by default nobody does. */
  readonly onError?: (error: unknown) => void;
  /** How long the first connection is tried for, in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** Connects. Throws when Redis cannot be reached, cannot be trusted, or was set up with other partitions. */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { instance, prefix = "mr:", partitions = 1, maxFollowers = 1000, onError = () => {} } = options;
  const { maxWaiters = STORE_DEFAULTS.maxWaiters, queueLimit = STORE_DEFAULTS.queueLimit } = options;
  const { leaseSeconds = 10, maxDeliveries = STORE_DEFAULTS.maxDeliveries } = options;
  const { logLimitBytes = STORE_DEFAULTS.logLimitBytes } = options;
  const { historyTtlSeconds = STORE_DEFAULTS.historyTtlSeconds } = options;
  const { mailboxEntries = STORE_DEFAULTS.mailboxEntries, mailboxBytes = STORE_DEFAULTS.mailboxBytes } = options;
  const keys = new Keys({ prefix, partitions });
  const patience = options.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: options.connectTimeoutMs };
  const opened: RedisConnection[] = [];
  /** What was started, to be ended in reverse; at the last the connections. */
  const started: (() => unknown)[] = [];
  const close = async () => {
    for (const end of started.splice(0).reverse()) await Promise.resolve(end()).catch(onError);
    for (const connection of opened) connection.close();
  };
  const open = async (role: string) => {
    const name = `millrace:${instance}:${role}`.replaceAll(/[^\x21-\x7e]/g, "_");
    const connection = await RedisConnection.open({ url: options.url, name, onError, ...patience });
    opened.push(connection);
    return connection;
  };
  try {
    const commands = await open("commands");
    await checkServer(commands);
    await agreeOnPartitions(commands, keys);
    const clock = await RedisClock.start({ connection: commands, onError });
    started.push(() => clock.stop());
    const memory = new MemoryWatch({ connection: commands });
    started.push(() => memory.stop());
    await memory.look();
    const reads = await open("reads");
    const reader = new LogReader({ keys, connection: reads });
    const documents = await openDocuments(commands);
    const waiters = new Waiters({ instance, limit: maxWaiters });
    const inboxes = new StreamReader({ blocked: await open("inbox"), commands, onError });
    const logs = new StreamReader({ blocked: await open("logs"), commands, onError });
    started.push(() => Promise.all([inboxes.stop(), logs.stop()]));
    const subscriptions = new Subscriptions(logs, { limit: maxFollowers });
    const workflows = new RedisWorkflowStore({ keys, commands, clock, documents, historyTtlSeconds });
    const work = new RedisWorkQueue({
      keys,
      commands,
      clock,
      memory,
      openBlocked: () => open("worker"),
      instance,
      group: WORKERS,
      leaseMs: leaseSeconds * 1000,
      maxDeliveries,
      logLimitBytes,
      onError,
    });
    started.push(() => work.close());
    const inbox: Inbox = new Inbox({
      keys,
      commands,
      reader: inboxes,
      instance,
      waiters,
      result: async (executionId): Promise<ExecutionResult | undefined> =>
        await log.result(executionId) ?? await log.earlyReply(executionId),
      resolve: (reply) => log.resolve(reply),
      onError,
    });
    const log: RedisLog = new RedisLog({
      keys,
      commands,
      clock,
      memory,
      waiters,
      group: WORKERS,
      logLimitBytes,
      reader,
      subscriptions,
      queueLimit,
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
      ...(options.feedKeptMs === undefined ? {} : { feedKeptMs: options.feedKeptMs }),
    });
    started.push(() => projections.close());
    const locks = new RedisLocks({ keys, commands, clock, reader: inboxes, instance, onError });
    started.push(() => locks.close());
    const sessions = openSessions({
      ...{ keys, commands, clock, memory, documents, subscriptions },
      mailbox: { entries: mailboxEntries, bytes: mailboxBytes },
    });
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
      Promise.all([boundFeeds({ keys, commands, clock }), work.sweep()]).catch(onError);
    }, SWEEP_EVERY_MS);
    started.push(() => clearInterval(sweeper), () => inbox.close());
    await inbox.open();
    await followControl({ keys, commands, reader: inboxes, workflows, work });
    commands.onReady(async () => {
      workflows.changed(undefined);
      await agreeOnPartitions(commands, keys).catch(onError);
      await inbox.recover();
    });
    return {
      driver: "redis",
      documents: documents.kind,
      clock,
      log,
      replies: waiters,
      work,
      projections,
      workflows,
      deadLetters: new RedisDeadLetters({ keys, connection: reads }),
      locks,
      ...sessions,
      ready: () => {
        const reason = probe.reason ?? memory.reason ??
          (opened.every((connection) => connection.ready) ? undefined : "Some connections to Redis are not back yet");
        return reason === undefined ? { ready: true } : { ready: false, reason };
      },
      health: () => health({ commands, clock, probe }),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The first instance writes the number of partitions; one that is configured otherwise must not start. */
async function agreeOnPartitions(commands: RedisConnection, keys: Keys): Promise<void> {
  const wanted = String(keys.partitions);
  await commands.send(["SET", keys.partitionCount(), wanted, "NX"]);
  const agreed = await commands.send<string>(["GET", keys.partitionCount()]);
  if (agreed === wanted) return;
  throw new Error(`PARTITIONS is ${wanted}, but this Redis was set up with ${agreed}: set PARTITIONS=${agreed}`);
}

async function health(
  { commands, clock, probe }: { commands: RedisConnection; clock: RedisClock; probe: Probe },
): Promise<StoreHealth> {
  if (commands.ready && probe.reason !== undefined) return { status: "error", detail: probe.reason };
  const startedAt = performance.now();
  try {
    await commands.send(["PING"], { deadlineMs: 2000 });
    const latency = Math.round((performance.now() - startedAt) * 100) / 100;
    return { status: "up", latency, clockOffsetMs: clock.systemOffsetMs };
  } catch (error) {
    return {
      status: commands.ready ? "error" : "down",
      detail: error instanceof Error ? error.message : String(error),
    };
  }
}
