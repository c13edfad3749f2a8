/**
 * The HTTP application: every route, and nothing that listens.
 *
 * @example
 * ```ts
 * const app = createApp(deps);
 * const response = await app.request("/health");
 * ```
 */
import { Hono } from "hono";
import { MillraceError } from "../lib/errors.ts";
import { bearerAuth } from "./frame/auth.ts";
import { audit } from "./api/audit.ts";
import { audited } from "./frame/audited.ts";
import { backtest } from "./api/backtest.ts";
import { BodyBudget } from "./protocol/body_budget.ts";
import { cacheStats } from "./api/cache_stats.ts";
import { deadLetters } from "./api/dead_letters.ts";
import { designer } from "./api/designer.ts";
import type { AppDeps, AppEnv } from "./frame/deps.ts";
import { events } from "./api/events.ts";
import { executions } from "./api/executions.ts";
import { errorResponse, frame } from "./frame/frame.ts";
import { history } from "./api/history.ts";
import { external } from "./api/external.ts";
import { health } from "./api/health.ts";
import { locks } from "./api/locks.ts";
import { schedules } from "./api/schedules.ts";
import { mailboxes } from "./api/mailboxes.ts";
import { rebuilds } from "./api/rebuild.ts";
import { imports } from "./api/imports.ts";
import { replay } from "./api/replay.ts";
import { recordings } from "./api/recordings.ts";
import { sessions } from "./api/sessions.ts";
import { sameOriginOnly } from "./frame/same_origin.ts";
import { type CallWebhook, webhooks } from "./webhook/webhook.ts";
import { workflowState } from "./api/workflow_state.ts";
import { workflows } from "./api/workflows.ts";

export type { AppDeps } from "./frame/deps.ts";

/** Makes the application. `app.fetch` serves it, under Node, Deno or anything that speaks `Request` and `Response`. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const bodies = new BodyBudget({ limitBytes: deps.config.bodiesLimitBytes });
  app.onError((error, c) => errorResponse(deps, c, error));
  app.notFound((c) =>
    errorResponse(deps, c, new MillraceError("not_found", `Nothing is at ${c.req.path}; see /api and /webhook`))
  );
  // Before the frame, which therefore never runs for it: the hot path brings its own.
  const callWebhook = webhooks(deps, bodies);
  app.all("/webhook/*", (c) => callWebhook(c.req.raw, c.env));
  app.use("*", frame(deps), sameOriginOnly(deps.config));
  app.use("/api/*", bearerAuth(deps.config.apiTokens), audited(deps));
  workflows(app, deps, bodies);
  imports(app, deps, bodies);
  executions(app, deps, bodies);
  external(app, deps, bodies);
  events(app, deps, bodies);
  rebuilds(app, deps);
  workflowState(app, deps);
  recordings(app, deps);
  backtest(app, deps, bodies);
  replay(app, deps, bodies);
  deadLetters(app, deps);
  history(app, deps);
  locks(app, deps, bodies);
  schedules(app, deps, bodies);
  cacheStats(app, deps);
  sessions(app, deps, bodies);
  mailboxes(app, deps, bodies);
  designer(app, deps, bodies);
  audit(app, deps);
  health(app, deps);
  return withHotPath(app, callWebhook);
}

/**
 * Lets calls of webhooks past the router. How a path is spelled that is not the plain one, the router knows, and that
 * HEAD has no body.
 */
function withHotPath(app: Hono<AppEnv>, callWebhook: CallWebhook): Hono<AppEnv> {
  const { fetch } = app;
  app.fetch = (request, env, ...rest) => {
    const isPlain = request.url.startsWith("/webhook/", request.url.indexOf("/", "http://".length + 1));
    return isPlain && request.method !== "HEAD" ? callWebhook(request, env) : fetch(request, env, ...rest);
  };
  return app;
}

/** The application of an instance without the `http` role: health and metrics only. */
export function createHealthApp(deps: AppDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.onError((error, c) => errorResponse(deps, c, error));
  app.notFound((c) =>
    errorResponse(deps, c, new MillraceError("not_found", "This instance has no http role: it serves its health only"))
  );
  app.use("*", frame(deps));
  health(app, deps);
  return app;
}
