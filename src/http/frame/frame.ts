/**
 * The middleware around every handler: request id, security and CORS headers, errors as problems, one log line.
 *
 * The webhook route calls these functions itself instead: a response whose headers are still a plain object costs the
 * Node server about half of one whose `Headers` were accessed.
 */
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { AppDeps, AppEnv } from "./deps.ts";
import { problemResponse, toMillraceError } from "../protocol/problem.ts";

/** Paths that are not logged: orchestrators request them several times a second. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics"]);

/** Default headers of all responses of the API; handlers may override them. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
} as const;

const EXPOSED = "Accept-Patch, Age, Allow, Cache-Status, ETag, Execution-Id, Idempotency-Replayed, Location, " +
  "Millrace-Durability, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, " +
  "Session-Expires-At, X-Request-Id";
const PREFLIGHT_SECONDS = "600";

/** A middleware that frames every request. Registered before all routes but the webhooks. */
export function frame(deps: AppDeps): MiddlewareHandler<AppEnv> {
  return async function framed(c, next) {
    const startedAt = performance.now();
    const requestId = requestIdOf(c.req.raw.headers);
    c.set("requestId", requestId);
    const cors = corsHeaders(c.req.raw, deps.config.corsOrigins);
    if (cors && isPreflight(c.req.raw)) {
      // A preflight has no credentials, so it is answered before they are checked (Fetch, section 4.8).
      c.res = preflightResponse(c.req.raw, cors);
    } else {
      try {
        await next();
      } catch (thrown) {
        // Hono's `onError` handles every Error; only other thrown values arrive here.
        c.res = errorResponse(deps, c, thrown);
      }
    }
    const { headers, status } = c.res;
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (!headers.has(name)) headers.set(name, value);
    }
    if (cors) setHeaders(headers, cors);
    headers.set("x-request-id", requestId);
    const executionId = c.get("executionId");
    const token = c.get("token");
    deps.metrics?.httpAnswered?.(routePath(c, -1), status);
    const log = PROBES.has(c.req.path) ? deps.logger.debug : deps.logger.info;
    log.call(
      deps.logger,
      {
        method: c.req.method,
        path: c.req.path,
        status,
        ms: roundMs(performance.now() - startedAt),
        requestId,
        ...(token !== undefined && { token }),
        ...(executionId !== undefined && { executionId }),
      },
      "request",
    );
  };
}

/** The response to what a handler threw; what callers may not see is logged instead. */
export function errorResponse(deps: AppDeps, c: Context<AppEnv>, thrown: unknown): Response {
  logIfInternal(deps, thrown, c.get("requestId"));
  return problemResponse(thrown, { instance: c.req.path });
}

/** Logs internal errors, with their cause. */
export function logIfInternal(deps: AppDeps, thrown: unknown, requestId: string): void {
  const error = toMillraceError(thrown);
  if (error.code === "internal_error") deps.logger.error({ error: error.cause ?? error, requestId }, "request failed");
}

/** The `X-Request-Id` of the client if it is safe to log, otherwise a new one. */
export function requestIdOf(
  headers: Pick<Headers, "get">,
  makeId: () => string = () => crypto.randomUUID(),
): string {
  const sent = headers.get("x-request-id");
  return sent !== null && /^[\w.~:=+/-]{1,128}$/.test(sent) ? sent : makeId();
}

/** CORS headers of the response (Fetch, section 3.2), `undefined` while no origins are configured. */
export function corsHeaders(request: Request, origins: readonly string[]): Record<string, string> | undefined {
  if (origins.length === 0) return undefined;
  if (origins.includes("*")) {
    return { "access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED };
  }
  const origin = request.headers.get("origin");
  if (origin === null || !origins.includes(origin)) return { vary: "Origin" };
  return { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, vary: "Origin" };
}

/** Lists in which a workflow's own items stay beside ours (RFC 9110, section 12.5.5; Fetch, section 3.2.3). */
export const JOINED_HEADERS: ReadonlySet<string> = new Set(["vary", "access-control-expose-headers"]);

/** Sets headers of a response in place of its own; {@linkcode JOINED_HEADERS} are joined. */
export function setHeaders(headers: Headers, ours: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(ours)) {
    if (!JOINED_HEADERS.has(name)) headers.set(name, value);
    else if (name !== "vary" || !variesBy(headers, value)) headers.append(name, value);
  }
}

function variesBy(headers: Headers, name: string): boolean {
  const names = (headers.get("vary") ?? "").split(",").map((one) => one.trim().toLowerCase());
  return names.includes("*") || names.includes(name.toLowerCase());
}

/** True for a CORS preflight. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("origin") &&
    request.headers.has("access-control-request-method");
}

/** Answers a preflight: without `Access-Control-Allow-Origin` in `cors`, the browser refuses. */
export function preflightResponse(request: Request, cors: Readonly<Record<string, string>>): Response {
  const requestedHeaders = request.headers.get("access-control-request-headers");
  return new Response(null, {
    status: 204,
    headers: {
      ...cors,
      ...("access-control-allow-origin" in cors && {
        "access-control-allow-methods": request.headers.get("access-control-request-method")!,
        "access-control-max-age": PREFLIGHT_SECONDS,
        ...(requestedHeaders !== null && { "access-control-allow-headers": requestedHeaders }),
      }),
    },
  });
}

/** Milliseconds to the hundredth. */
export function roundMs(ms: number): number {
  return Math.round(ms * 100) / 100;
}
