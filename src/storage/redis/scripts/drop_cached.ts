/**
 * Removes responses from a cache.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { type CacheKeys, CACHES } from "./cache_library.ts";

/** Removes the responses that are named, or the oldest. */
export const DROP_CACHED = defineScript(
  `
-- KEYS  1 order  2 expiry  3 sizes
-- ARGV  1 prefix of entries  2 prefix of bodies  3 how many of the oldest  4.. responses, if they are named
-- Reply how many there were
${CACHES}
local k, count = cacheKeys(1), 0
local members = {unpack(ARGV, 4)}
if #members == 0 then members = redis.call('ZRANGE', k.order, 0, ARGV[3] - 1) end
for _, member in ipairs(members) do
  if forget(k, member) then count = count + 1 end
end
if redis.call('EXISTS', k.order) == 0 then redis.call('DEL', k.expiry, k.sizes) end
return count
`,
  { allowOom: true },
);

/** What {@linkcode dropCached} takes. */
export interface DropCachedOptions {
  /** The cache's keys. */
  readonly keys: CacheKeys;
  /** "<digest of the URL> <id>" each; or how many of those that were stored first. */
  readonly members: readonly string[] | number;
}

/** Removes responses; replies with how many there were. */
export function dropCached(connection: RedisConnection, { keys, members }: DropCachedOptions): Promise<number> {
  const [oldest, named] = typeof members === "number" ? [members, []] : [0, members];
  return runScript<number>(connection, DROP_CACHED, {
    keys: [keys.order, keys.expiry, keys.sizes],
    args: [keys.entry, keys.body, String(oldest), ...named],
  });
}
