/**
 * Takes executions whose logs have expired out of a partition's indexes.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Forgets what has expired, and remembers what was counted of it. */
export const FORGET = defineScript(`
-- KEYS  1 expiry  2 index of all  3 index of the active  4 index of the pending  5 expiry before the rebuild
-- ARGV  1 time (ms)  2 how many at most  3 TTL of daily counters (s)  4 base
-- Reply as many as it was allowed to when there may be more
local gone = {}
local function drop(key, word)
  gone[key] = gone[key] or {}
  table.insert(gone[key], word)
end
local touched = {}
local function count(key, words)
  redis.call('HINCRBY', key, words[3] .. ' ' .. words[2], 1)
  redis.call('HINCRBY', key, words[3] .. ' durationMs', words[5])
  redis.call('HINCRBY', key, words[3] .. ' ' .. words[6], 1)
  touched[key] = true
end
local function due(key) return redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2]) end
-- What a rebuild has taken out of the counters and found no more goes back into them.
local before = due(KEYS[5])
for _, member in ipairs(before) do
  local words = {}
  for word in string.gmatch(member, '%S+') do words[#words + 1] = word end
  drop(KEYS[5], member)
  if words[4] then
    count(ARGV[4] .. 'daily:' .. words[4], words)
    count(ARGV[4] .. 'daily-past:' .. words[4], words)
  end
end
local members = due(KEYS[1])
for _, member in ipairs(members) do
  local words = {}
  for word in string.gmatch(member, '%S+') do words[#words + 1] = word end
  for i = 2, 4 do drop(KEYS[i], words[1]) end
  drop(ARGV[4] .. 'index:status:' .. words[2], words[1])
  drop(ARGV[4] .. 'index:workflow:' .. words[3], words[1])
  drop(KEYS[1], member)
  if words[4] then count(ARGV[4] .. 'daily-past:' .. words[4], words) end
end
for key, words in pairs(gone) do redis.call('ZREM', key, unpack(words)) end
for key in pairs(touched) do redis.call('EXPIRE', key, ARGV[3]) end
return math.max(#before, #members)
`);

/** What {@linkcode forget} takes. */
export interface ForgetOptions {
  /** The partition's indexes, and what is known of executions that expire. */
  readonly keys: {
    readonly expiry: string;
    readonly all: string;
    readonly active: string;
    readonly pending: string;
    readonly expiryBefore: string;
  };
  /** Epoch milliseconds. */
  readonly now: number;
  /** How many at most, 1000 or fewer. */
  readonly count: number;
  /** How long daily counters are kept, in seconds. */
  readonly dailyTtlSeconds: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** Forgets what has expired; true when there may be more. */
export async function forget(connection: RedisConnection, options: ForgetOptions): Promise<boolean> {
  const { keys, now, count, dailyTtlSeconds, base } = options;
  const forgotten = await runScript<number>(connection, FORGET, {
    keys: [keys.expiry, keys.all, keys.active, keys.pending, keys.expiryBefore],
    args: [String(now), String(count), String(dailyTtlSeconds), base],
  });
  return forgotten === count;
}
