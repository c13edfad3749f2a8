/**
 * Stores a response in a cache.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { type CacheKeys, CACHES } from "./cache_library.ts";

/** Puts a response in the place of others, and lets the oldest go when there is no room. */
export const PUT_CACHED = defineScript(`
-- KEYS  1 order  2 expiry  3 sizes
-- ARGV  1 prefix of entries  2 prefix of bodies  3 the response  4 what it is (JSON)  5 its body, or ''
--       6 '1' when ARGV 5 is its body  7 size  8 ttl (ms)  9 the most bytes of the cache
--       10 the most responses of one URL  11.. responses in whose place it comes
-- Reply 1
${CACHES}
local k, us = cacheKeys(1), micros()
local ttl, now = tonumber(ARGV[8]), math.floor(us / 1000)
for at = 11, #ARGV do forget(k, ARGV[at]) end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', k.expiry, '-inf', digits(now), 'LIMIT', 0, 100)) do forget(k, member) end
local digest, id = string.match(ARGV[3], '^(%S+) (%S+)$')
local last = redis.call('ZRANGE', k.order, -1, -1, 'WITHSCORES')[2]
redis.call('ZADD', k.order, digits(math.max(us, (tonumber(last or '') or 0) + 1)), ARGV[3])
redis.call('ZADD', k.expiry, digits(now + ttl), ARGV[3])
redis.call('HSET', k.entry .. digest, 'm:' .. id, ARGV[4])
if ARGV[6] == '1' then redis.call('HSET', k.entry .. digest, 'b:' .. id, ARGV[5])
else redis.call('PEXPIRE', k.body .. id, digits(ttl + READ_ON_MS)) end
redis.call('HSET', k.sizes, ARGV[3], ARGV[7])
-- A response has one field, or two.
if redis.call('HLEN', k.entry .. digest) > tonumber(ARGV[10]) then
  local variants = {}
  for _, field in ipairs(redis.call('HKEYS', k.entry .. digest)) do
    local variant = string.match(field, '^m:(.*)$')
    if variant then
      local member = digest .. ' ' .. variant
      table.insert(variants, {member, tonumber(redis.call('ZSCORE', k.order, member) or 0)})
    end
  end
  table.sort(variants, function(a, b) return a[2] < b[2] end)
  for at = 1, #variants - ARGV[10] do forget(k, variants[at][1]) end
end
local total = redis.call('HINCRBY', k.sizes, 'total', ARGV[7])
while total > tonumber(ARGV[9]) do
  local oldest = redis.call('ZRANGE', k.order, 0, 0)[1]
  if not oldest then break end
  forget(k, oldest)
  total = tonumber(redis.call('HGET', k.sizes, 'total'))
end
for _, key in ipairs({k.order, k.expiry, k.sizes, k.entry .. digest}) do outlive(key, ttl) end
return 1
`);

/** What {@linkcode putCached} takes. */
export interface PutCachedOptions {
  /** The cache's keys. */
  readonly keys: CacheKeys;
  /** `<digest of the URL> <id>` of this response. */
  readonly member: string;
  /** The same of the responses that it replaces. */
  readonly replaces: readonly string[];
  /** What it is, as JSON. */
  readonly response: string;
  /** A small body; a larger one is stored already. */
  readonly body: Uint8Array | undefined;
  /** Its size as the limit of the cache counts it, in bytes: body and description. */
  readonly size: number;
  /** How long the response is kept, in milliseconds. */
  readonly ttlMs: number;
  /** How many bytes the cache may have. */
  readonly limitBytes: number;
  /** How many responses one URL may have. */
  readonly variants: number;
}

/** Stores a response. */
export async function putCached(connection: RedisConnection, options: PutCachedOptions): Promise<void> {
  const { keys, member, replaces, response, body, size, ttlMs, limitBytes, variants } = options;
  const inline = body === undefined ? "0" : "1";
  const numbers = [size, ttlMs, limitBytes, variants].map(String);
  await runScript<number>(connection, PUT_CACHED, {
    keys: [keys.order, keys.expiry, keys.sizes],
    args: [keys.entry, keys.body, member, response, body ?? "", inline, ...numbers, ...replaces],
  });
}
