/**
 * How to reach Redis, from the settings that say so together.
 */
import type { SettingValues } from "./settings.ts";

/** How to reach Redis. */
export interface RedisConfig {
  /** The full URL, credentials included: not for logs. */
  readonly url: string;
  /** The same without credentials. */
  readonly safeUrl: string;
}

/** How to reach Redis. A variable with a fault counts as set, so that no second fault follows from it. */
export function redisOf(values: Partial<SettingValues>): RedisConfig | undefined {
  if (!("REDIS_URL" in values && "REDIS_HOST" in values)) return Object.freeze({ url: "", safeUrl: "" });
  const url = values.REDIS_URL ?? urlOfHost(values);
  if (!url) return undefined;
  const safe = new URL(url);
  safe.username = "";
  safe.password = "";
  return Object.freeze({ url: url.href, safeUrl: safe.href });
}

function urlOfHost(values: Partial<SettingValues>): URL | undefined {
  const { REDIS_HOST: host, REDIS_PORT: port = 6379, REDIS_DB: db = 0, REDIS_PASSWORD: password = "" } = values;
  if (!host) return undefined;
  const url = new URL(`redis://${host}:${port}/${db}`);
  url.password = encodeURIComponent(password);
  return url;
}
