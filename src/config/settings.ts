/**
 * The table of settings: every environment variable that an instance reads. Parsing and `millrace --help` come from it;
 * README.md and .env.example are tested against it.
 *
 * @example
 * ```ts
 * SETTINGS.PORT.default; // "8080"
 * ```
 */
import type { z } from "zod";
import { apiTokens } from "./api_tokens.ts";
import { LOG_LEVELS } from "../telemetry/logger.ts";
import {
  addressRange,
  anyText,
  encryptionKey,
  flag,
  headerName,
  hostName,
  hostRule,
  listOf,
  matching,
  oneOf,
  optional,
  origin,
  pointer,
  postgresUrl,
  redisUrl,
  type Setting,
  setting,
  someOf,
  wholeNumber,
  wholeNumberOr,
} from "./setting.ts";

/** The work that an instance may do, in the order in which they are listed. */
export const ROLES = ["http", "worker", "assembler", "scheduler"] as const;

/** One kind of work that an instance does. */
export type Role = (typeof ROLES)[number];

/** Every variable that is read, by name, in the order of the help. */
export const SETTINGS = {
  PORT: setting("8080", "Port to listen on; 0 is any free one", wholeNumber(0, 65535)),
  HOST: setting("127.0.0.1", "Address to listen on; with the role http, any but loopback needs API_TOKENS", anyText),
  API_TOKENS: setting(
    "",
    "Tokens for /api by commas: name:token:scopes (read, run, write, admin), or a token alone",
    apiTokens,
  ),
  SECRETS: setting(
    "",
    "Environment variables that definitions may name as secrets (env:NAME), separated by commas",
    listOf(matching(/^[A-Za-z_][A-Za-z0-9_]*$/, "names of environment variables")),
  ),
  ROLES: setting(
    ROLES.join(),
    "What this instance does, by commas; all, without Redis",
    someOf(ROLES),
  ),
  PROCESSES: setting(
    "1",
    "Processes that share the port, each an instance; auto: one a processor; needs Redis",
    wholeNumberOr("auto", 1, 256),
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
    "What a webhook gets while Redis is away: 503 (reject), or memory runs it",
    oneOf(["reject", "memory"]),
  ),
  FALLBACK_EXECUTIONS: setting(
    "100000",
    "Executions that REDIS_FALLBACK=memory keeps at most until Redis is back",
    wholeNumber(1, 10_000_000),
  ),
  FALLBACK_BYTES: setting("268435456", "Bytes that they may take", wholeNumber(2 ** 20, 2 ** 40)),
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
  LOCAL_FIRST: setting("true", "false sends all over the work queue, whoever accepted it", flag),
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
  DATABASE_URL: setting(
    "",
    "postgres://[user:password@]host[:port]/database for the history; unset: none is kept",
    optional(postgresUrl),
  ),
  HISTORY_DAYS: setting("30", "Days that the database keeps an execution, from its request on", wholeNumber(1, 36_500)),
  HISTORY_BACKLOG_SECONDS: setting(
    "86400",
    "Seconds that what is not yet in the database is kept for it",
    wholeNumber(60, 2 ** 31),
  ),
  BODY_LIMIT_BYTES: setting("4194304", "Largest request body", wholeNumber(1, 2 ** 28)),
  BODY_LIMIT_VALUES: setting("250000", "Values that a request body of JSON may have", wholeNumber(1, 2 ** 28)),
  BODY_STALL_SECONDS: setting("10", "Seconds after which a body that does not come gets 408", wholeNumber(1, 3600)),
  BODIES_LIMIT_BYTES: setting(
    "268435456",
    "Bytes of bodies that one instance holds at once; past it, requests get 503",
    wholeNumber(1, 2 ** 40),
  ),
  IMPORT_LIMIT_BYTES: setting("33554432", "Largest bundle of an execution to import", wholeNumber(1, 2 ** 28)),
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
  CACHE_LIMIT_BYTES: setting(
    "67108864",
    "Bytes that one cache keeps; what was kept first goes first",
    wholeNumber(2 ** 16, 2 ** 40),
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
  FOLLOWER_LIMIT_BYTES: setting(
    "262144",
    "Bytes that may wait for a follower of events; who takes none for 5 s is cut",
    wholeNumber(1024, 2 ** 28),
  ),
  SESSION_TTL_SECONDS: setting(
    "86400",
    "Seconds that a session without ttlSeconds lives from each use on",
    wholeNumber(1, 31_536_000),
  ),
  SESSION_LIMIT_BYTES: setting(
    "1048576",
    "Largest data of a session, and state in the designer, as JSON",
    wholeNumber(1, 2 ** 26),
  ),
  MAILBOX_LIMIT: setting("1000", "Entries that each mailbox of a session keeps", wholeNumber(1, 1_000_000)),
  MAILBOX_LIMIT_BYTES: setting(
    "1048576",
    "Bytes that each mailbox of a session keeps; a larger entry is refused",
    wholeNumber(1024, 2 ** 26),
  ),
  AUDIT_LIMIT: setting(
    "10000",
    "Changes through the API that the audit keeps, the newest",
    wholeNumber(100, 10_000_000),
  ),
  ENCRYPTION_KEYS: setting(
    "",
    "id:key by commas, each key 32 bytes in base64; the first encrypts, all decrypt",
    listOf(encryptionKey),
  ),
  SESSION_ENCRYPT: setting(
    "",
    "Parts of session data to encrypt, as JSON pointers by commas",
    listOf(pointer),
  ),
  HTTP_ALLOW: setting(
    "",
    "Private hosts that httpRequest may reach: names, IPs, CIDRs, host:port, separated by commas",
    listOf(hostRule),
  ),
  ALLOWED_HOSTS: setting(
    "",
    "Host names, besides loopback, that answer without API_TOKENS, separated by commas",
    listOf(hostName),
  ),
  REDACT_HEADERS: setting(
    "",
    "Request headers that are not recorded, besides those with credentials, separated by commas",
    listOf(headerName),
  ),
  TRUSTED_PROXIES: setting(
    "",
    "Proxies whose X-Forwarded-For is believed: IP addresses and CIDRs, by commas",
    listOf(addressRange),
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

/** The values of all variables, each as its schema makes it. */
export type SettingValues = { [Name in SettingName]: z.output<(typeof SETTINGS)[Name]["schema"]> };
