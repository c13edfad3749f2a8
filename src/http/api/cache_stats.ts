/**
 * `/api/stats/cache`: hits and misses of caches, by day.
 */
import type { Context, Hono } from "hono";
import { readCacheDays } from "../../caches/cache_counter.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { integerParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";

/** Adds the resource to the app. */
export function cacheStats(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/stats/cache", { GET: (c) => showCacheDays(c, deps) });
}

async function showCacheDays(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const days = integerParameter(c, "days", { min: 1, max: 35, defaultValue: 7 });
  return c.json({ days: await readCacheDays(store.caches, { now: store.clock.now(), days }) });
}
