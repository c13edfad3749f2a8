/**
 * Lua functions that the scripts of caches share.
 *
 * A stored response is "<digest of its URL> <id>": what it is stands in the hash `cache-entry:<cache>:<digest>` under
 * `m:<id>`, a small body beside it under `b:<id>`, a larger one as the string `cache-body:<id>`.
 */
import { MICROSECONDS } from "./time_library.ts";

/** The keys of one cache. */
export interface CacheKeys {
  /** Sorted set of its responses, scored with when they were stored (microseconds). */
  readonly order: string;
  /** Sorted set of its responses, scored with when they lapse (ms). */
  readonly expiry: string;
  /** Hash of its responses' sizes in bytes; "total" is their sum. */
  readonly sizes: string;
  /** What the names of its entries' hashes begin with. */
  readonly entry: string;
  /** What the names of its bodies' strings begin with. */
  readonly body: string;
}

/** Removal, which keeps the books. */
export const CACHES = `${MICROSECONDS}
local READ_ON_MS = 60000
local function outlive(key, ttl)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, digits(ttl)) end
end
-- Removes a response. Whoever reads its body now may do so to its end. True if it was there.
local function forget(k, member)
  local removed = redis.call('ZREM', k.order, member)
  redis.call('ZREM', k.expiry, member)
  local size = redis.call('HGET', k.sizes, member)
  if size then
    redis.call('HDEL', k.sizes, member)
    redis.call('HINCRBY', k.sizes, 'total', '-' .. size)
  end
  local digest, id = string.match(member, '^(%S+) (%S+)$')
  redis.call('HDEL', k.entry .. digest, 'm:' .. id, 'b:' .. id)
  if redis.call('PTTL', k.body .. id) > READ_ON_MS then redis.call('PEXPIRE', k.body .. id, READ_ON_MS) end
  return removed == 1
end
local function cacheKeys(at)
  return {order = KEYS[at], expiry = KEYS[at + 1], sizes = KEYS[at + 2], entry = ARGV[1], body = ARGV[2]}
end
`;
