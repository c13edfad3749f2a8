/**
 * The configuration of an instance, read from its environment by the table of settings.
 *
 * @example
 * ```ts
 * const config = loadConfig({ PORT: "9000", REDIS_URL: "redis://127.0.0.1:6379" }, { instance: "mill-1" });
 * ```
 */
import type { AddressRange } from "../lib/address_ranges.ts";
import type { ApiToken } from "./api_tokens.ts";
import { type RedisConfig, redisOf } from "./redis_config.ts";
import type { LogLevel } from "../telemetry/logger.ts";
import { crossCheck } from "./cross_check.ts";
import type { Setting } from "./setting.ts";
import { type Role, SETTINGS, type SettingValues } from "./settings.ts";

/** The environment, or the command line, does not make a configuration. The message has a line for each fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The configuration of an instance: validated once, frozen. Each field is named after its variable in `SETTINGS`. */
export interface Config {
  /** TCP port that HTTP listens on; 0 is any free one. Default 8080. */
  readonly port: number;
  /** Address that HTTP listens on, an IPv6 address without brackets. Default 127.0.0.1. */
  readonly host: string;
  /** Kinds of work that this instance does. Default all of {@linkcode ROLES}. */
  readonly roles: ReadonlySet<Role>;
  /** How many processes share the port, each a whole instance; `auto` is one a processor. Default 1. */
  readonly processes: number | "auto";
  /** How to reach Redis. Default `undefined`: everything is kept in the memory of this process. */
  readonly redis: RedisConfig | undefined;
  /** First part of every key's name. Default `mr:`. */
  readonly redisPrefix: string;
  /** What a webhook gets while Redis is away: `reject` is 503, `memory` runs it in this instance. Default `reject`. */
  readonly redisFallback: "reject" | "memory";
  /** Number of executions that the fallback keeps at most. Default 100,000. */
  readonly fallbackExecutions: number;
  /** Bytes that they may take. Default 256 MiB. */
  readonly fallbackBytes: number;
  /** Number of slices of the keyspace; fixed when a prefix is first used. Default 1. */
  readonly partitions: number;
  /** Folder of definitions (*.json) that are stored at start. Default `undefined`: none. */
  readonly workflowsDir: string | undefined;
  /** Number of executions that one worker runs at once. Default 256. */
  readonly workerConcurrency: number;
  /** Whether an instance runs itself what it accepts, while it has room. Default `true`. */
  readonly localFirst: boolean;
  /** Tokens, one of which `/api` asks for, with what each is for. Default none: only this machine may call. */
  readonly apiTokens: readonly ApiToken[];
  /** Secrets that definitions may name as `env:NAME`, by their names. Default none. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Request headers that are not recorded, besides those that show that they carry credentials. Default none. */
  readonly redactHeaders: readonly string[];
  /** Proxies whose `X-Forwarded-For` is believed. Default none. */
  readonly trustedProxies: readonly AddressRange[];
  /** Host names, besides loopback, that `Host` may have while there are no tokens. Default none. */
  readonly allowedHosts: readonly string[];
  /** Whether `/metrics` answers without a token. Default `false`. */
  readonly metricsPublic: boolean;
  /** Origins that browsers may call from; `*` is any. Default none. */
  readonly corsOrigins: readonly string[];
  /** Private hosts that `httpRequest` may reach: names, addresses, CIDRs, host:port. Default none. */
  readonly httpAllow: readonly string[];
  /** Least severe level that is logged. Default `info`. */
  readonly logLevel: LogLevel;
  /** Bytes of the largest request body. Default 4 MiB. */
  readonly bodyLimitBytes: number;
  /** Number of values that a JSON body may have. Default 250,000. */
  readonly bodyLimitValues: number;
  /** Seconds in which the next part of a body must arrive, else 408. Default 10. */
  readonly bodyStallSeconds: number;
  /** Bytes of request bodies that this instance holds at once, else 503. Default 256 MiB. */
  readonly bodiesLimitBytes: number;
  /** Of one bundle to import. */
  readonly importLimitBytes: number;
  /** Bytes of the largest output of a node, as JSON. Default 8 MiB. */
  readonly outputLimitBytes: number;
  /** Bytes of the largest log of an execution, its values included. Default 64 MiB. */
  readonly logLimitBytes: number;
  /** Bytes of executions that the memory driver keeps. Default `undefined`: a quarter of the largest heap. */
  readonly retentionBytes: number | undefined;
  /** Milliseconds of processor time that one expression may take. Default 250. */
  readonly expressionTimeoutMs: number;
  /** Number of callers that may wait for replies on this instance. Default 10,000. */
  readonly maxWaiters: number;
  /** Number of executions whose logs this instance follows at once. Default 1000. */
  readonly maxFollowers: number;
  /** Bytes of events that may wait for one follower, which is cut when it takes none of them. Default 256 KiB. */
  readonly followerLimitBytes: number;
  /** Seconds that the log of an ended execution is kept. Default 86,400, a day. */
  readonly historyTtlSeconds: number;
  /** Bytes that one cache keeps. */
  readonly cacheLimitBytes: number;
  /** Seconds that a session without a life of its own lives from each use on. Default 86,400, a day. */
  readonly sessionTtlSeconds: number;
  /** Bytes of the largest data of a session, as JSON. Default 1 MiB. */
  readonly sessionLimitBytes: number;
  /** Number of entries that one mailbox keeps. Default 1000. */
  readonly mailboxLimit: number;
  /** Bytes that one mailbox keeps. Default 1 MiB. */
  readonly mailboxLimitBytes: number;
  /** Number of changes through the API that the audit keeps. Default 10,000. */
  readonly auditLimit: number;
  /** Keys for what is encrypted at rest: the first encrypts, all decrypt. Default none. */
  readonly encryptionKeys: readonly { readonly id: string; readonly bytes: Uint8Array<ArrayBuffer> }[];
  /** JSON pointers to the parts of sessions' data that are encrypted at rest. Default none. */
  readonly sessionEncrypt: readonly string[];
  /** How to reach the database of the history, credentials included: not for logs. Default `undefined`: there is none. */
  readonly databaseUrl: string | undefined;
  /** Number of days that the database keeps an execution. Default 30. */
  readonly historyDays: number;
  /** Seconds that the store keeps what the database has not had yet. Default 86,400, a day. */
  readonly historyBacklogSeconds: number;
  /** Seconds without a sign of life after which a worker's executions may be taken over. Default 10. */
  readonly leaseSeconds: number;
  /** Number of workers that one execution may end, without progress, before it is a dead letter. Default 5. */
  readonly maxDeliveries: number;
  /** Number of executions that may wait or run at once, else 503. Default 100,000. */
  readonly queueLimit: number;
  /** Seconds that an idempotency key and its answer are remembered. Default 86,400, a day. */
  readonly idempotencyTtlSeconds: number;
  /** Seconds that running work gets to end at a shutdown. Default 10. */
  readonly drainSeconds: number;
  /** Name of this instance, unique among all that share a Redis. Default: what {@linkcode loadConfig} is given. */
  readonly instance: string;
}

/**
 * Reads the environment; a variable that is set to nothing counts as unset.
 *
 * @throws {ConfigError} with every fault, a line each: `PORT must be a whole number from 0 to 65535, not "abc"`.
 * Nothing that may be a secret is quoted.
 * @param options.instance name of the instance where `INSTANCE_ID` is unset
 * @param options.process number of this process among several on one port: the end of its name. Default: it is alone
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: { instance: string; process?: number | undefined },
): Config {
  const { values, faults } = readAll(env);
  const redis = values.REDIS_ENABLED === false ? undefined : redisOf(values);
  faults.push(...crossCheck(values, { env, redis }));
  if (faults.length > 0 || !isComplete(values)) throw new ConfigError(faults.join("\n"));
  return Object.freeze({
    port: values.PORT,
    host: values.HOST.replace(/^\[(.*)\]$/, "$1"),
    roles: values.ROLES,
    processes: values.PROCESSES,
    redis,
    redisPrefix: values.REDIS_PREFIX,
    redisFallback: values.REDIS_FALLBACK,
    fallbackExecutions: values.FALLBACK_EXECUTIONS,
    fallbackBytes: values.FALLBACK_BYTES,
    partitions: values.PARTITIONS,
    workflowsDir: values.WORKFLOWS_DIR,
    workerConcurrency: values.WORKER_CONCURRENCY,
    localFirst: values.LOCAL_FIRST,
    apiTokens: values.API_TOKENS,
    secrets: new Map(values.SECRETS.map((name) => [name, env[name]!])),
    allowedHosts: values.ALLOWED_HOSTS,
    redactHeaders: values.REDACT_HEADERS,
    trustedProxies: values.TRUSTED_PROXIES,
    metricsPublic: values.METRICS_PUBLIC,
    corsOrigins: values.CORS_ORIGINS,
    httpAllow: values.HTTP_ALLOW,
    logLevel: values.LOG_LEVEL,
    bodyLimitBytes: values.BODY_LIMIT_BYTES,
    bodyLimitValues: values.BODY_LIMIT_VALUES,
    bodyStallSeconds: values.BODY_STALL_SECONDS,
    bodiesLimitBytes: values.BODIES_LIMIT_BYTES,
    importLimitBytes: values.IMPORT_LIMIT_BYTES,
    outputLimitBytes: values.OUTPUT_LIMIT_BYTES,
    logLimitBytes: values.LOG_LIMIT_BYTES,
    retentionBytes: values.RETENTION_BYTES,
    expressionTimeoutMs: values.EXPRESSION_TIMEOUT_MS,
    maxWaiters: values.MAX_WAITERS,
    maxFollowers: values.MAX_FOLLOWERS,
    followerLimitBytes: values.FOLLOWER_LIMIT_BYTES,
    historyTtlSeconds: values.HISTORY_TTL_SECONDS,
    cacheLimitBytes: values.CACHE_LIMIT_BYTES,
    sessionTtlSeconds: values.SESSION_TTL_SECONDS,
    sessionLimitBytes: values.SESSION_LIMIT_BYTES,
    mailboxLimit: values.MAILBOX_LIMIT,
    mailboxLimitBytes: values.MAILBOX_LIMIT_BYTES,
    auditLimit: values.AUDIT_LIMIT,
    encryptionKeys: values.ENCRYPTION_KEYS,
    sessionEncrypt: values.SESSION_ENCRYPT,
    databaseUrl: values.DATABASE_URL?.href,
    historyDays: values.HISTORY_DAYS,
    historyBacklogSeconds: values.HISTORY_BACKLOG_SECONDS,
    leaseSeconds: values.LEASE_SECONDS,
    maxDeliveries: values.MAX_DELIVERIES,
    queueLimit: values.QUEUE_LIMIT,
    idempotencyTtlSeconds: values.IDEMPOTENCY_TTL_SECONDS,
    drainSeconds: values.DRAIN_SECONDS,
    instance: `${values.INSTANCE_ID ?? options.instance}${options.process === undefined ? "" : `-${options.process}`}`,
  });
}

/** How many processes share the port, on a machine with so many processors. */
export function processCount({ processes, redis, redisFallback }: Config, processors: number): number {
  if (processes !== "auto") return processes;
  return redis === undefined || redisFallback === "memory" ? 1 : processors;
}

/** Parses every variable; one that has a fault has no value. */
function readAll(
  env: Readonly<Record<string, string | undefined>>,
): { values: Partial<SettingValues>; faults: string[] } {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, { schema, default: byDefault }] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const { data, error } = schema.safeParse(env[name]?.trim() || byDefault);
    if (error === undefined) values[name] = data;
    else faults.push(`${name} ${error.issues[0]!.message}`);
  }
  return { values: values as Partial<SettingValues>, faults };
}

function isComplete(values: Partial<SettingValues>): values is SettingValues {
  return Object.keys(SETTINGS).every((name) => name in values);
}
