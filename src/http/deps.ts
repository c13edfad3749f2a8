/**
 * What the HTTP side is given: ports only, so that it can be served by anything and tested without a server.
 */
import type { Config } from "../config.ts";
import type { Store } from "../log/port.ts";
import type { WorkflowCatalog } from "../workflow/catalog.ts";

/** Where lines for operators go: pino fits. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Where numbers for operators go. */
export interface HttpMetrics {
  /** What `GET /metrics` answers. */
  text(): Promise<{ contentType: string; body: string }>;
  /** Counts an answer; `route` is the pattern that matched, never the path. */
  httpAnswered?(route: string, status: number): void;
  /** Records the seconds from a webhook's request to its response. */
  webhookAnswered?(seconds: number): void;
}

/** Whether this instance should be sent traffic. */
export type Readiness = boolean | { readonly ready: boolean; readonly reason?: string };

/** Everything that `createApp` needs. */
export interface AppDeps {
  readonly config: Pick<
    Config,
    | "allowedHosts"
    | "apiTokens"
    | "bodiesLimitBytes"
    | "bodyLimitBytes"
    | "bodyLimitValues"
    | "bodyStallSeconds"
    | "corsOrigins"
    | "historyTtlSeconds"
    | "idempotencyTtlSeconds"
    | "instance"
    | "metricsPublic"
    | "roles"
  >;
  readonly store: Pick<Store, "driver" | "documents" | "log" | "projections" | "deadLetters" | "health">;
  readonly catalog: Pick<WorkflowCatalog, "get" | "matchWebhook" | "put" | "delete" | "list">;
  readonly logger: Logger;
  readonly metrics?: HttpMetrics;
  readonly ready: () => Readiness;
  readonly info: { readonly version: string };
  /** Aborts when the instance begins to drain: event streams end, so that their readers find another instance. */
  readonly drainSignal?: AbortSignal;
  /** Aborts when the instance is about to stop serving: every caller who waits is answered at once. */
  readonly closeSignal?: AbortSignal;
}

/** Hono's environment: what the frame around each request leaves for handlers. */
export interface AppEnv {
  Variables: { requestId: string; executionId: string };
}
