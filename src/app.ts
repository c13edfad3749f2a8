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
import { MillraceError } from "./errors.ts";
import { bearerAuth } from "./http/auth.ts";
import { BodyBudget } from "./http/body_budget.ts";
import { deadLetters } from "./http/dead_letters.ts";
import type { AppDeps, AppEnv } from "./http/deps.ts";
import { events } from "./http/events.ts";
import { executions } from "./http/executions.ts";
import { errorResponse, frame } from "./http/frame.ts";
import { health } from "./http/health.ts";
import { sameOriginOnly } from "./http/same_origin.ts";
import { webhook } from "./http/webhook.ts";
import { workflows } from "./http/workflows.ts";

export type { AppDeps } from "./http/deps.ts";

/** Makes the application. `app.fetch` serves it, under Node, Deno or anything that speaks `Request` and `Response`. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const bodies = new BodyBudget({ limitBytes: deps.config.bodiesLimitBytes });
  app.onError((error, c) => errorResponse(deps, c, error));
  app.notFound((c) =>
    errorResponse(deps, c, new MillraceError("not_found", `Nothing is at ${c.req.path}; see /api and /webhook`))
  );
  // Before the frame, which therefore never runs for it: the hot path brings its own.
  app.all("/webhook/*", webhook(deps, bodies));
  app.use("*", frame(deps), sameOriginOnly(deps.config));
  app.use("/api/*", bearerAuth(deps.config.apiTokens));
  workflows(app, deps, bodies);
  executions(app, deps);
  events(app, deps);
  deadLetters(app, deps);
  health(app, deps);
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
