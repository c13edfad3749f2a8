/**
 * `/health`, `/livez`, `/readyz` and `/metrics`: for orchestrators, load balancers and operators.
 */
import type { Context, Hono } from "hono";
import type { StoreHealth } from "../log/port.ts";
import type { AppDeps, AppEnv, Readiness } from "./deps.ts";
import { resource } from "./resource.ts";

/** A check that has not answered by then counts as down. */
const CHECK_TIMEOUT_MS = 2_000;

/** Adds the resources to the app. */
export function health(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/health", { GET: (c) => getHealth(c, deps) });
  resource(app, "/livez", { GET: (c) => c.json({ status: "up" }) });
  resource(app, "/readyz", { GET: (c) => getReadiness(c, deps.ready()) });
  const { metrics } = deps;
  if (metrics) {
    resource(app, "/metrics", {
      GET: async (c) => {
        const { contentType, body } = await metrics.text();
        return c.body(body, 200, { "content-type": contentType });
      },
    });
  }
}

async function getHealth(c: Context<AppEnv>, { config, info, store }: AppDeps): Promise<Response> {
  const check = await checkStore(store);
  const isUp = check.status === "up" || check.status === "disabled";
  return c.json({
    status: isUp ? "up" : "down",
    version: info.version,
    driver: store.driver,
    documents: store.documents,
    instance: config.instance,
    roles: [...config.roles],
    checks: { redis: store.driver === "memory" && isUp ? { status: "disabled" } : check },
  }, isUp ? 200 : 503);
}

async function checkStore(store: AppDeps["store"]): Promise<StoreHealth> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<StoreHealth>((resolve) => {
    timer = setTimeout(resolve, CHECK_TIMEOUT_MS, { status: "down", detail: `No answer in ${CHECK_TIMEOUT_MS} ms` });
  });
  try {
    return await Promise.race([store.health(), timeout]);
  } catch {
    return { status: "error" };
  } finally {
    clearTimeout(timer);
  }
}

function getReadiness(c: Context<AppEnv>, readiness: Readiness): Response {
  const { ready, reason } = typeof readiness === "boolean" ? { ready: readiness, reason: undefined } : readiness;
  return c.json({ ready, ...(reason !== undefined && { reason }) }, ready ? 200 : 503, {
    ...(!ready && { "retry-after": "1" }),
  });
}
