/**
 * Takes executions whose logs have expired out of a partition's indexes.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { INDEXING } from "./index_library.ts";

/** Forgets what has expired, and remembers what was counted of it. */
export const FORGET = defineScript(`
-- KEYS  1 expiry  2 index of all  3 index of the active  4 index of the pending  5 expiry before the rebuild
-- ARGV  1 time (ms)  2 how many at most  3 TTL of daily counters (s)  4 base
-- Reply as many as it was allowed to when there may be more
${INDEXING}
local function drop(key, word)
  local words = goneFrom(key)
  if words then words[#words + 1] = word end
end
local function due(key) return redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2]) end
-- Of one that is not counted the last three are ''.
local function wordsOf(member) return string.match(member, '^(%S+) (%S+) (%S+) ?(%S*) ?(%S*) ?(%S*)') end
-- What a rebuild has taken out of the counters and found no more goes back into them.
local before = due(KEYS[5])
for _, member in ipairs(before) do
  local _, status, workflow, day, durationMs, bucket = wordsOf(member)
  drop(KEYS[5], member)
  if day ~= '' then
    count(ARGV[4] .. 'daily:' .. day, workflow, status, durationMs, bucket)
    count(ARGV[4] .. 'daily-past:' .. day, workflow, status, durationMs, bucket)
  end
end
local members = due(KEYS[1])
for _, member in ipairs(members) do
  local id, status, workflow, day, durationMs, bucket = wordsOf(member)
  for i = 2, 4 do drop(KEYS[i], id) end
  drop(ARGV[4] .. 'index:status:' .. status, id)
  drop(ARGV[4] .. 'index:workflow:' .. workflow, id)
  drop(KEYS[1], member)
  if day ~= '' then count(ARGV[4] .. 'daily-past:' .. day, workflow, status, durationMs, bucket) end
end
for key, words in pairs(gone) do if words then redis.call('ZREM', key, unpack(words)) end end
writeCounts(ARGV[3])
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
