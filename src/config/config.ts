/**
 * What an instance is told by its environment: one table of settings, from which parsing, `millrace --help` and the
 * table in the README come.
 *
 * @example
 * ```ts
 * const config = loadConfig({ PORT: "9000", REDIS_URL: "redis://127.0.0.1:6379" }, { instance: "mill-1" });
 * ```
 */

import { z } from "zod";
import { LOG_LEVELS, type LogLevel } from "../telemetry/logger.ts";
import {
  anyText,
  flag,
  hostName,
  listOf,
  matching,
  oneOf,
  optional,
  origin,
  redisUrl,
  type Setting,
  setting,
  someOf,
  type TextSchema,
  token,
  wholeNumber,
} from "./setting.ts";

/** The environment, or the command line, does not make a configuration. The message is a line a fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The work that an instance may do, in the order in which they are listed. */
export const ROLES = ["http", "worker", "assembler", "scheduler"] as const;

/** One kind of work that an instance does. */
export type Role = (typeof ROLES)[number];

/** Where Redis is. */
export interface RedisConfig {
  /** The full URL, credentials included: not for logs. */
  readonly url: string;
  /** The same without credentials. */
  readonly safeUrl: string;
}

/** What an instance is told by its environment: validated once, frozen. {@linkcode SETTINGS} says what each is. */
export interface Config {
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
  readonly roles: ReadonlySet<Role>;
  /** `undefined`: the memory driver. */
  readonly redis: RedisConfig | undefined;
  readonly redisPrefix: string;
  readonly redisFallback: "reject";
  readonly partitions: number;
  readonly workflowsDir: string | undefined;
  readonly workerConcurrency: number;
  readonly apiTokens: readonly string[];
  /** Names besides loopback that requests may have in `Host` while there are no tokens. */
  readonly allowedHosts: readonly string[];
  /** `/metrics` takes no token. */
  readonly metricsPublic: boolean;
  readonly corsOrigins: readonly string[];
  /** What the `httpRequest` node may reach though it is private. */
  readonly httpAllow: readonly string[];
  readonly logLevel: LogLevel;
  readonly bodyLimitBytes: number;
  readonly bodyLimitValues: number;
  readonly bodyStallSeconds: number;
  readonly bodiesLimitBytes: number;
  readonly outputLimitBytes: number;
  readonly logLimitBytes: number;
  /** `undefined`: a quarter of what the heap may grow to. */
  readonly retentionBytes: number | undefined;
  readonly expressionTimeoutMs: number;
  readonly maxWaiters: number;
  readonly maxFollowers: number;
  readonly historyTtlSeconds: number;
  readonly leaseSeconds: number;
  readonly maxDeliveries: number;
  readonly queueLimit: number;
  readonly idempotencyTtlSeconds: number;
  readonly drainSeconds: number;
  /** The name of this instance: unique among all that share a Redis. */
  readonly instance: string;
}

const FALLBACK: TextSchema<"reject"> = anyText
  .refine((text) => text !== "memory", 'must be reject: "memory" is not built yet')
  .pipe(oneOf(["reject"]));

/** Every variable that is read, by name, in the order of the help. */
export const SETTINGS = {
  PORT: setting("8080", "Port to listen on; 0 is any free one", wholeNumber(0, 65535)),
  HOST: setting("127.0.0.1", "Address to listen on; any but loopback needs API_TOKENS", anyText),
  API_TOKENS: setting("", "Bearer tokens for /api, separated by commas, at least 8 characters each", listOf(token)),
  ROLES: setting(
    ROLES.join(),
    "What this instance does, by commas; all, without Redis",
    someOf(ROLES),
  ),
  REDIS_URL: setting(
    "",
    "redis://[user:password@]host[:port][/db], rediss:// for TLS; unset: kept in memory",
    optional(redisUrl),
  ),
  REDIS_HOST: setting("", "Host of Redis, where REDIS_URL is unset", optional(hostName)),
  REDIS_PORT: setting("6379", "Port of Redis, with REDIS_HOST", wholeNumber(1, 65535)),
  REDIS_PASSWORD: setting("", "Password of Redis, with REDIS_HOST", anyText),
  REDIS_DB: setting("0", "Database number of Redis, with REDIS_HOST", wholeNumber(0, 65535)),
  REDIS_ENABLED: setting("true", "false keeps everything in memory, whatever the other settings say", flag),
  REDIS_PREFIX: setting(
    "mr:",
    "What the name of every key begins with",
    matching(/^[^\s{}]+$/, "without spaces and braces"),
  ),
  REDIS_FALLBACK: setting(
    "reject",
    "What a webhook gets while Redis is away: reject is 503 with Retry-After",
    FALLBACK,
  ),
  PARTITIONS: setting(
    "1",
    "Slices of the keyspace: 1, or 16 for Redis Cluster; fixed at first start",
    wholeNumber(1, 1024),
  ),
  WORKFLOWS_DIR: setting("", "Folder of workflow definitions (*.json) to store at start", optional(anyText)),
  WORKER_CONCURRENCY: setting(
    "256",
    "Executions that run at once on one worker; of one workflow seven eighths at most",
    wholeNumber(1, 100_000),
  ),
  LEASE_SECONDS: setting(
    "10",
    "Seconds after which the work of a silent worker may be taken over",
    wholeNumber(1, 3600),
  ),
  MAX_DELIVERIES: setting(
    "5",
    "Workers that one execution may end, without progress, before it is a dead letter",
    wholeNumber(1, 1000),
  ),
  QUEUE_LIMIT: setting(
    "100000",
    "Executions that may wait or run at once; past it, requests get 503 with Retry-After",
    wholeNumber(1, 10_000_000),
  ),
  IDEMPOTENCY_TTL_SECONDS: setting(
    "86400",
    "Seconds for which an Idempotency-Key and its answer are remembered",
    wholeNumber(1, 2 ** 31),
  ),
  DRAIN_SECONDS: setting("10", "Seconds that running work gets to end when told to stop", wholeNumber(0, 3600)),
  HISTORY_TTL_SECONDS: setting(
    "86400",
    "Seconds that the log of an ended execution is kept if saved",
    wholeNumber(1, 2 ** 31),
  ),
  BODY_LIMIT_BYTES: setting("4194304", "Largest request body", wholeNumber(1, 2 ** 28)),
  BODY_LIMIT_VALUES: setting("250000", "Values that a request body of JSON may have", wholeNumber(1, 2 ** 28)),
  BODY_STALL_SECONDS: setting("10", "Seconds after which a body that does not come gets 408", wholeNumber(1, 3600)),
  BODIES_LIMIT_BYTES: setting(
    "268435456",
    "Bytes of bodies that one instance holds at once; past it, requests get 503",
    wholeNumber(1, 2 ** 40),
  ),
  OUTPUT_LIMIT_BYTES: setting("8388608", "Largest output of a node, as JSON", wholeNumber(1, 2 ** 28)),
  LOG_LIMIT_BYTES: setting(
    "67108864",
    "Largest log of an execution, its values included; past it, it fails with log_limit",
    wholeNumber(2 ** 16, 2 ** 40),
  ),
  RETENTION_BYTES: setting(
    "",
    "Kept of executions in memory, the oldest ended go first; unset: a quarter of the heap",
    optional(wholeNumber(2 ** 20, 2 ** 40)),
  ),
  EXPRESSION_TIMEOUT_MS: setting(
    "250",
    "Milliseconds of processor time that one expression may take",
    wholeNumber(1, 60_000),
  ),
  MAX_WAITERS: setting("10000", "Callers that may wait for replies on one instance", wholeNumber(1, 1_000_000)),
  MAX_FOLLOWERS: setting(
    "1000",
    "Executions that one instance follows at once, for SSE and waits",
    wholeNumber(1, 100_000),
  ),
  HTTP_ALLOW: setting(
    "",
    "Private hosts that httpRequest may reach: names, IPs, CIDRs, host:port, separated by commas",
    listOf(matching(/^[^\s/]+(\/\d{1,3})?$/, "host names, IP addresses, CIDRs or host:port")),
  ),
  ALLOWED_HOSTS: setting(
    "",
    "Host names, besides loopback, that answer without API_TOKENS, separated by commas",
    listOf(hostName),
  ),
  METRICS_PUBLIC: setting("false", "true lets anyone read /metrics; else it takes a token where /api does", flag),
  CORS_ORIGINS: setting("", "Origins that browsers may call from, separated by commas; * is any", listOf(origin)),
  LOG_LEVEL: setting("info", LOG_LEVELS.join(", "), oneOf(LOG_LEVELS)),
  INSTANCE_ID: setting(
    "",
    "Unique name of this instance; unset: host name and random digits",
    optional(matching(/^[\w.:-]{1,128}$/, "at most 128 letters, digits, and _ . : -")),
  ),
} satisfies Record<string, Setting<unknown>>;

/** The name of a variable that is read. */
export type SettingName = keyof typeof SETTINGS;

type Values = { [Name in SettingName]: z.output<(typeof SETTINGS)[Name]["schema"]> };

/** What {@linkcode loadConfig} takes. */
export interface LoadConfigOptions {
  /** The name of the instance where `INSTANCE_ID` is unset. */
  readonly instance: string;
}

/**
 * Reads the environment; a variable that is set to nothing counts as unset.
 *
 * @throws {ConfigError} with every fault, a line each: `PORT must be a whole number from 0 to 65535, not "abc"`.
 * Nothing that may be a secret is quoted.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>, options: LoadConfigOptions): Config {
  const { values, faults } = readAll(env);
  const redis = values.REDIS_ENABLED === false ? undefined : redisOf(values);
  faults.push(...faultsTogether(values, redis));
  if (faults.length > 0 || !isComplete(values)) throw new ConfigError(faults.join("\n"));
  return Object.freeze({
    port: values.PORT,
    host: values.HOST.replace(/^\[(.*)\]$/, "$1"),
    roles: values.ROLES,
    redis,
    redisPrefix: values.REDIS_PREFIX,
    redisFallback: values.REDIS_FALLBACK,
    partitions: values.PARTITIONS,
    workflowsDir: values.WORKFLOWS_DIR,
    workerConcurrency: values.WORKER_CONCURRENCY,
    apiTokens: values.API_TOKENS,
    allowedHosts: values.ALLOWED_HOSTS,
    metricsPublic: values.METRICS_PUBLIC,
    corsOrigins: values.CORS_ORIGINS,
    httpAllow: values.HTTP_ALLOW,
    logLevel: values.LOG_LEVEL,
    bodyLimitBytes: values.BODY_LIMIT_BYTES,
    bodyLimitValues: values.BODY_LIMIT_VALUES,
    bodyStallSeconds: values.BODY_STALL_SECONDS,
    bodiesLimitBytes: values.BODIES_LIMIT_BYTES,
    outputLimitBytes: values.OUTPUT_LIMIT_BYTES,
    logLimitBytes: values.LOG_LIMIT_BYTES,
    retentionBytes: values.RETENTION_BYTES,
    expressionTimeoutMs: values.EXPRESSION_TIMEOUT_MS,
    maxWaiters: values.MAX_WAITERS,
    maxFollowers: values.MAX_FOLLOWERS,
    historyTtlSeconds: values.HISTORY_TTL_SECONDS,
    leaseSeconds: values.LEASE_SECONDS,
    maxDeliveries: values.MAX_DELIVERIES,
    queueLimit: values.QUEUE_LIMIT,
    idempotencyTtlSeconds: values.IDEMPOTENCY_TTL_SECONDS,
    drainSeconds: values.DRAIN_SECONDS,
    instance: values.INSTANCE_ID ?? options.instance,
  });
}

/** What `millrace --help` prints: usage, options, and every variable with its default. */
export function helpText(): string {
  const width = Math.max(...Object.keys(SETTINGS).map((name) => name.length)) + 2;
  const rows = Object.entries(SETTINGS).map(([name, setting]) => {
    const byDefault = setting.default === "" ? "" : ` [${setting.default}]`;
    return `  ${name.padEnd(width)}${setting.help}${byDefault}`;
  });
  return `Usage: millrace [options]
       millrace dead [list | show <id> | requeue <id> | drop <id>]

Runs workflows behind webhooks, on Redis Streams; without Redis, in the memory of this one process.

Options:
  ${"-h, --help".padEnd(width)}Print this and exit
  ${"-v, --version".padEnd(width)}Print the version and exit

Environment [default]:
${rows.join("\n")}
`;
}

/** The values of all variables but those that have a fault. */
function readAll(env: Readonly<Record<string, string | undefined>>): { values: Partial<Values>; faults: string[] } {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, { schema, default: byDefault }] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const { data, error } = schema.safeParse(env[name]?.trim() || byDefault);
    if (error === undefined) values[name] = data;
    else faults.push(`${name} ${error.issues[0]!.message}`);
  }
  return { values: values as Partial<Values>, faults };
}

function isComplete(values: Partial<Values>): values is Values {
  return Object.keys(SETTINGS).every((name) => name in values);
}

/** What is wrong with values that are right by themselves; nothing is said about those that are not. */
function faultsTogether({ ROLES: roles, HOST: host, API_TOKENS: tokens }: Partial<Values>, redis: unknown): string[] {
  const faults: string[] = [];
  if (redis === undefined && roles !== undefined && roles.size < ROLES.length) {
    faults.push(
      `ROLES is "${[...roles].join()}" but there is no Redis: another process cannot share this one's memory, so ` +
        `set REDIS_URL, or ROLES=${ROLES}`,
    );
  }
  if (roles?.has("http") && tokens?.length === 0 && host !== undefined && !isLoopback(host)) {
    faults.push(
      `HOST is "${host}" but API_TOKENS is empty: set API_TOKENS to one or more secrets, or HOST=127.0.0.1`,
    );
  }
  return faults;
}

/** Where Redis is. A variable of it that has a fault counts as one that names a Redis: it is not unset. */
function redisOf(values: Partial<Values>): RedisConfig | undefined {
  if (!("REDIS_URL" in values && "REDIS_HOST" in values)) return Object.freeze({ url: "", safeUrl: "" });
  const url = values.REDIS_URL ?? urlOfHost(values);
  if (!url) return undefined;
  const safe = new URL(url);
  safe.username = "";
  safe.password = "";
  return Object.freeze({ url: url.href, safeUrl: safe.href });
}

function urlOfHost(values: Partial<Values>): URL | undefined {
  const { REDIS_HOST: host, REDIS_PORT: port = 6379, REDIS_DB: db = 0, REDIS_PASSWORD: password = "" } = values;
  if (!host) return undefined;
  const url = new URL(`redis://${host}:${port}/${db}`);
  url.password = encodeURIComponent(password);
  return url;
}

function isLoopback(host: string): boolean {
  return /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/i.test(host);
}
