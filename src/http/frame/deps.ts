/**
 * What the HTTP side is given: ports only, so that it can be served by anything and tested without a server.
 */
import type { AuditLog, AuditValue } from "../../audit/audit_log.ts";
import type { AuditTrail } from "../../audit/audit_trail.ts";
import type { CacheStore } from "../../caches/cache_store.ts";
import type { Caches } from "../../caches/caches.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Config } from "../../config/config.ts";
import type { DeadLetters } from "../../execution/dead_letters.ts";
import type { Forks } from "../../execution/forks.ts";
import type { Imports } from "../../execution/imports.ts";
import type { FallbackHealth } from "../../execution/fallback.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import type { RateLimits } from "../../execution/rate_limits.ts";
import type { Replies } from "../../execution/replies.ts";
import type { Submit } from "../../execution/submit.ts";
import type { ExternalWork } from "../../execution/external_work.ts";
import type { LockStore } from "../../locks/lock_store.ts";
import type { Archive } from "../../feed/archive.ts";
import type { HistoryHealth } from "../../feed/history.ts";
import type { ScheduleStore } from "../../schedules/schedule_store.ts";
import type { Projections } from "../../feed/projections.ts";
import type { Backtests } from "../../replay/backtest.ts";
import type { Mailboxes } from "../../sessions/mailbox.ts";
import type { SessionStore } from "../../sessions/session_store.ts";
import type { Statistics } from "../../feed/statistics.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { MetricsText } from "../../telemetry/metrics.ts";
import type { StoreHealth } from "../../telemetry/store_health.ts";
import type { SentHeaders } from "./sent_headers.ts";
import type { Upgrade } from "../protocol/web_socket.ts";
import type { WorkflowCatalog } from "../../workflow/catalog.ts";

/** Where numbers for operators go. */
export interface HttpMetrics {
  /** What `GET /metrics` answers. */
  text(): Promise<MetricsText>;
  /** Counts an answer; `route` is the pattern that matched, never the path. */
  httpAnswered?(route: string, status: number): void;
  /** Records the seconds from a webhook's request to its response. */
  webhookAnswered?(seconds: number): void;
}

/** What the HTTP side asks of the store. */
export interface HttpStore {
  readonly driver: "redis" | "memory";
  /** How documents are kept. */
  readonly documents: "RedisJSON" | "strings" | "memory";
  readonly clock: Clock;
  readonly log: ExecutionLog;
  readonly replies: Replies;
  readonly projections: Projections;
  readonly statistics: Statistics;
  readonly deadLetters: DeadLetters;
  readonly forks: Forks;
  readonly rateLimits: RateLimits;
  readonly imports: Imports;
  readonly external: ExternalWork;
  readonly locks: LockStore;
  readonly caches: CacheStore;
  readonly sessions: SessionStore;
  readonly mailboxes: Mailboxes;
  readonly designer: SessionStore;
  /** The history behind it, where there is one. */
  readonly archive?: Archive;
  readonly schedules: ScheduleStore;
  readonly audit: AuditLog;
  health(): Promise<StoreHealth>;
}

/** Whether this instance should be sent traffic. */
export type Readiness = boolean | { readonly ready: boolean; readonly reason?: string };

/** Everything that `createApp` needs. */
export interface AppDeps {
  /** The settings that the HTTP side reads. */
  readonly config: Pick<
    Config,
    | "allowedHosts"
    | "apiTokens"
    | "bodiesLimitBytes"
    | "bodyLimitBytes"
    | "bodyLimitValues"
    | "bodyStallSeconds"
    | "corsOrigins"
    | "encryptionKeys"
    | "followerLimitBytes"
    | "historyTtlSeconds"
    | "importLimitBytes"
    | "idempotencyTtlSeconds"
    | "instance"
    | "metricsPublic"
    | "redactHeaders"
    | "roles"
    | "secrets"
    | "sessionEncrypt"
    | "sessionLimitBytes"
    | "sessionTtlSeconds"
    | "trustedProxies"
  >;
  /** The ports of the store. */
  readonly store: HttpStore;
  /** Starts executions. */
  readonly submit: Submit;
  /** Answers of webhooks are kept in these, where their workflows say so. */
  readonly caches?: Caches;
  /** Where it is recorded who changes what; absent: nowhere. */
  readonly audit?: Pick<AuditTrail, "record">;
  /** What runs in memory while Redis is away; absent where nothing does. */
  readonly fallbackHealth?: () => FallbackHealth;
  /** How the database of the history is; absent where there is none. */
  readonly historyHealth?: () => Promise<HistoryHealth>;
  /** Definitions, and the webhooks by path and method. */
  readonly catalog: Pick<WorkflowCatalog, "get" | "matchWebhook" | "put" | "delete" | "list" | "keepImported">;
  /** Runs backtests; absent: there are none. */
  readonly backtests?: Backtests;
  /** Where log lines go. */
  readonly logger: Logger;
  /** Counts answers, for `GET /metrics`; absent: there is no such path. */
  readonly metrics?: HttpMetrics;
  /** Asked by `GET /readyz`. */
  readonly ready: () => Readiness;
  /** The release, as `/health` shows it. */
  readonly info: { readonly version: string };
  /** Aborts when the instance begins to drain: event streams end, so that their readers find another instance. */
  readonly drainSignal?: AbortSignal;
}

/** Hono's environment: what the frame around each request leaves for handlers. */
export interface AppEnv {
  Bindings: {
    /** Ends the connection of this request, even during the answer: for a client that does not read. */
    hangUp?: () => void;
    /** The IP address of the other end of the connection. */
    peer?: () => string | undefined;
    /** What the `Headers` of this request have, at less cost. */
    headers?: () => SentHeaders;
    /** Takes the body if all its bytes, this many, have come with the head; else it is to be read from the request. */
    takeBody?: (bytes: number) => Uint8Array | undefined;
    /** Reads a body that was taken to its end, which is done by itself in the next turn: for an answer before that. */
    endBody?: () => void;
    /** Makes a WebSocket of a request that asks for one. */
    upgrade?: Upgrade;
  };
  Variables: {
    requestId: string;
    executionId: string;
    /** The name of the token that was sent, if it has one. */
    token: string;
    /** What a call changed, besides what its path names, by what it is; `nothing` for one that changed nothing. */
    changed: Readonly<Record<string, AuditValue>> | "nothing";
  };
}
