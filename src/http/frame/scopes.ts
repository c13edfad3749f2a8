/**
 * The scope that each call of the API needs. A call without an entry needs `admin`, so that a new resource is closed
 * until its scope is decided.
 */
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import type { Scope } from "../../config/api_tokens.ts";
import { SESSION_BOXES } from "../../sessions/mailbox.ts";
import type { AppEnv } from "./deps.ts";

/** Calls that only read. */
const READ = [
  "/api/dead-letters",
  "/api/dead-letters/:id",
  "/api/designer/:id",
  "/api/designer/:id/events",
  "/api/events",
  "/api/events/recent",
  "/api/events/ws",
  "/api/executions",
  "/api/executions/:id",
  "/api/executions/:id/diff/:other",
  "/api/executions/:id/events",
  "/api/executions/:id/export",
  "/api/executions/:id/result",
  "/api/history/export",
  "/api/locks/:name",
  "/api/schedules",
  "/api/schedules/:workflow/:node",
  "/api/sessions",
  "/api/sessions/:id",
  "/api/sessions/:id/data",
  "/api/sessions/:id/data/*",
  "/api/stats/cache",
  "/api/stats/workflows/:id",
  "/api/workflow-state/:id",
  "/api/workflow-state/active/detailed",
  "/api/workflow-state/active/list",
  "/api/workflow-state/stats/overview",
  "/api/workflows",
  "/api/workflows/:id",
  "/metrics",
  ...SESSION_BOXES.map((box) => `/api/sessions/:id/${box}`),
].map((path) => `GET ${path}`);

/** Calls that start executions, or report about them. */
const RUN = [
  "POST /api/executions",
  "POST /api/executions/:id/events",
  "POST /api/executions/:id/replay",
  "POST /api/schedules/:workflow/:node/run",
  "POST /api/work/take",
  "POST /api/workflows/:id/backtest",
  "POST /api/workflows/:id/run",
];

/** Calls that change stored data, or the course of executions. */
const WRITE = [
  "DELETE /api/designer/:id",
  "DELETE /api/locks/:name",
  "DELETE /api/sessions",
  "DELETE /api/sessions/:id",
  "DELETE /api/workflows/:id",
  "PATCH /api/sessions/:id",
  "POST /api/executions/:id/cancel",
  "POST /api/executions/:id/pause",
  "POST /api/executions/:id/resume",
  "POST /api/executions/import",
  "POST /api/locks/:name",
  "POST /api/schedules/:workflow/:node/backfill",
  "POST /api/schedules/:workflow/:node/pause",
  "POST /api/schedules/:workflow/:node/resume",
  "POST /api/sessions",
  ...SESSION_BOXES.map((box) => `POST /api/sessions/:id/${box}`),
  "PUT /api/designer/:id",
  "PUT /api/locks/:name",
  "PUT /api/sessions/:id",
  "PUT /api/workflows/:id",
];

/** Calls for operators. Calls without an entry need `admin` too; these are listed to show that it is intended. */
const ADMIN = [
  "DELETE /api/dead-letters/:id",
  "DELETE /api/history",
  "GET /api/audit",
  "POST /api/dead-letters/:id/requeue",
  "POST /api/workflow-state/cleanup",
  "POST /api/workflow-state/rebuild",
];

/** The scope of each call, by `<method> <pattern of the route>`. */
export const SCOPE_OF: ReadonlyMap<string, Scope> = new Map([
  ...READ.map((call) => [call, "read"] as const),
  ...RUN.map((call) => [call, "run"] as const),
  ...WRITE.map((call) => [call, "write"] as const),
  ...ADMIN.map((call) => [call, "admin"] as const),
]);

/**
 * The scope that a request needs; `undefined` for `OPTIONS`, which only lists methods. It is that of the route which
 * will answer, where `HEAD` counts as `GET`. Routes for all methods are middleware, or answer 405.
 */
export function neededScope(c: Context<AppEnv>): Scope | undefined {
  if (c.req.method === "OPTIONS") return undefined;
  const route = answeringRoute(c);
  return route === undefined ? "admin" : SCOPE_OF.get(`${route.method} ${route.path}`) ?? "admin";
}

/** The route that will answer a request; `undefined` where nothing is, or not for this method. */
export function answeringRoute(c: Context<AppEnv>): { readonly method: string; readonly path: string } | undefined {
  return matchedRoutes(c).find(({ method }) => method !== "ALL");
}
