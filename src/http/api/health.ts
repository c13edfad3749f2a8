/**
 * `/health`, `/livez`, `/readyz` and `/metrics`: for orchestrators, load balancers and operators.
 */
import type { Context, Hono } from "hono";
import type { HistoryHealth } from "../../feed/history.ts";
import type { StoreHealth } from "../../telemetry/store_health.ts";
import { bearerAuth, tokenCheck } from "../frame/auth.ts";
import type { AppDeps, AppEnv, Readiness } from "../frame/deps.ts";
import { resource } from "../frame/resource.ts";

/** A check that has not answered by then counts as down. */
const CHECK_TIMEOUT_MS = 2_000;
const LATE = `No answer in ${CHECK_TIMEOUT_MS} ms`;

/**
 * Adds the resources to the app. Where tokens are configured, callers without one see only whether the instance is
 * well: no version, and no names of hosts and instances.
 */
export function health(app: Hono<AppEnv>, deps: AppDeps): void {
  const { metrics, config: { apiTokens, metricsPublic } } = deps;
  const check = tokenCheck(apiTokens);
  const isStranger = async (c: Context<AppEnv>) => typeof await check(c.req.header("authorization")) === "string";
  resource(app, "/health", { GET: async (c) => getHealth(c, deps, { brief: await isStranger(c) }) });
  resource(app, "/livez", { GET: (c) => c.json({ status: "up" }) });
  resource(app, "/readyz", { GET: async (c) => getReadiness(c, deps.ready(), { brief: await isStranger(c) }) });
  if (metrics) {
    if (!metricsPublic) app.use("/metrics", bearerAuth(apiTokens));
    resource(app, "/metrics", {
      GET: async (c) => {
        const { contentType, body } = await metrics.text();
        return c.body(body, 200, { "content-type": contentType });
      },
    });
  }
}

async function getHealth(
  c: Context<AppEnv>,
  { config, info, store, fallbackHealth, historyHealth }: AppDeps,
  { brief }: { brief: boolean },
): Promise<Response> {
  const [check, database] = await Promise.all([
    within<StoreHealth>(() => store.health(), { status: "down", detail: LATE }),
    historyHealth && within<HistoryHealth>(historyHealth, { status: "down", detail: LATE }),
  ]);
  const isUp = check.status === "up" || check.status === "disabled";
  const fallback = fallbackHealth?.();
  // Degraded, not down: without the database the backlog waits, and with a fallback webhooks work without Redis.
  const isDegraded = (!isUp && fallback !== undefined) || database?.status === "down";
  const status = isDegraded ? "degraded" : isUp ? "up" : "down";
  const code = status === "down" ? 503 : 200;
  if (brief) {
    const redis = store.driver === "memory" && isUp ? "disabled" : check.status;
    return c.json({ status, checks: { redis: { status: redis } } }, code);
  }
  return c.json({
    status,
    version: info.version,
    driver: store.driver,
    documents: store.documents,
    instance: config.instance,
    roles: [...config.roles],
    checks: {
      redis: store.driver === "memory" && isUp ? { status: "disabled" } : check,
      ...(fallback !== undefined && { fallback }),
      ...(database !== undefined && { database }),
    },
  }, code);
}

/** What a check says; `late` when it takes too long, `error` when it fails. */
async function within<T extends { status: string }>(
  check: () => Promise<T>,
  late: T,
): Promise<T | { status: "error" }> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<T>((resolve) => {
    timer = setTimeout(resolve, CHECK_TIMEOUT_MS, late);
  });
  try {
    return await Promise.race([check(), timeout]);
  } catch {
    return { status: "error" };
  } finally {
    clearTimeout(timer);
  }
}

function getReadiness(c: Context<AppEnv>, readiness: Readiness, { brief }: { brief: boolean }): Response {
  const { ready, reason } = typeof readiness === "boolean" ? { ready: readiness, reason: undefined } : readiness;
  return c.json({ ready, ...(reason !== undefined && !brief && { reason }) }, ready ? 200 : 503, {
    ...(!ready && { "retry-after": "1" }),
  });
}
