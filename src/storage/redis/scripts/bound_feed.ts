/**
 * Trims a feed to the most that it may hold, and counts what its archivers miss by that.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Trims by time, and by length in steps that do not keep others waiting. */
export const BOUND_FEED = defineScript(
  `
-- KEYS  1 feed  2 count of what archivers missed
-- ARGV  1 oldest time that is kept (ms)  2 the most entries  3 group of the archivers  4 the most to take away by length
-- Reply how many entries are still too many
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local had
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if group[2] == ARGV[3] then
    for i = 1, #group, 2 do if group[i] == 'last-delivered-id' then had = group[i + 1] end end
  end
end
local missed = 0
local time, count = string.match(had or '', '^(%d+)-(%d+)$')
if had and tonumber(time) < tonumber(ARGV[1]) then
  -- Whatever they were handed goes anyhow; what goes besides, they miss.
  redis.call('XTRIM', KEYS[1], 'MINID', '=', time .. '-' .. string.format('%.0f', count + 1))
  missed = redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1])
else
  redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1])
end
local length = redis.call('XLEN', KEYS[1])
local step = math.min(length - ARGV[2], tonumber(ARGV[4]))
local gone = 0
if step > 0 then
  local known = had and #redis.call('XRANGE', KEYS[1], '-', had, 'COUNT', step) or step
  gone = redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', length - step)
  missed = missed + math.max(0, gone - known)
end
if missed > 0 then redis.call('INCRBY', KEYS[2], missed) end
if gone == 0 then return 0 end
return math.max(0, length - gone - ARGV[2])
`,
  { allowOom: true },
);

/** How many entries one step takes away by length. */
const STEP = 1000;

/** What {@linkcode boundFeed} takes. */
export interface BoundFeedOptions {
  /** The feed, and the count of what archivers missed. */
  readonly keys: { readonly feed: string; readonly missed: string };
  /** What is older goes, in epoch milliseconds. */
  readonly oldestMs: number;
  /** How many entries stay at most, about. */
  readonly mostEntries: number;
  /** The consumer group of the archivers. */
  readonly group: string;
}

/** Trims a feed. */
export async function boundFeed(connection: RedisConnection, options: BoundFeedOptions): Promise<void> {
  const { keys, oldestMs, mostEntries, group } = options;
  let tooMany: number;
  do {
    tooMany = await runScript<number>(connection, BOUND_FEED, {
      keys: [keys.feed, keys.missed],
      args: [String(oldestMs), String(mostEntries), group, String(STEP)],
    });
  } while (tooMany > 0);
}
