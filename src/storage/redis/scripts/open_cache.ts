/**
 * Makes a cache.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { MICROSECONDS } from "./time_library.ts";

/** Remembers the name of a cache. */
export const OPEN_CACHE = defineScript(`
-- KEYS  1 names of caches
-- ARGV  1 name (JSON)  2 TTL of all (ms)  3 how many are remembered
-- Reply 1 when there was none of this name
${MICROSECONDS}
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
local at = math.max(micros(), (tonumber(last or '') or 0) + 1)
redis.call('ZADD', KEYS[1], digits(at), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`);

/** What {@linkcode openCache} takes. */
export interface OpenCacheOptions {
  /** The names of all caches. */
  readonly keys: { readonly names: string };
  /** As JSON. */
  readonly name: string;
  /** How long the names are remembered, in milliseconds. */
  readonly ttlMs: number;
  /** How many names are remembered. */
  readonly most: number;
}

/** Makes a cache, if there is none of this name. */
export async function openCache(connection: RedisConnection, options: OpenCacheOptions): Promise<void> {
  const { keys, name, ttlMs, most } = options;
  await runScript<number>(connection, OPEN_CACHE, { keys: [keys.names], args: [name, String(ttlMs), String(most)] });
}
