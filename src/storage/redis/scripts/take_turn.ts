/**
 * Lets a call through when its turn has come.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { MICROSECONDS, WINDOW } from "./time_library.ts";

/** A sliding window as in `admit_call.ts`, and a line before it: who came first goes first. */
export const TURN = defineScript(`
-- KEYS  1 sorted set of the calls in the window, each its own time (µs)  2 sorted set of the tickets in line, scored with
--       their arrival (µs)  3 sorted set of the same, scored with when they lose their place (µs)
-- ARGV  1 how many may be in it  2 its length (ms)  3 ticket  4 how late a ticket may come (ms)  5 places in the
--       line: behind them the ticket keeps none
-- Reply 1 or 0 (admitted), µs until it is worth asking again
${MICROSECONDS}${WINDOW}
local now, length = slide(ARGV[2])
local limit, late = tonumber(ARGV[1]), ARGV[4] * 1000
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', digits(now), 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
local count = redis.call('ZCARD', KEYS[1])
local place = redis.call('ZRANK', KEYS[2], ARGV[3])
if not place then place = redis.call('ZCARD', KEYS[2]) end
if place < limit - count then
  redis.call('ZADD', KEYS[1], digits(now), digits(now))
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('ZREM', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[3])
  return {1, '0'}
end
-- So many calls, those to be made by who is ahead among them, have to leave the window before.
local nth, due = place - (limit - count), nil
if nth < count then
  due = redis.call('ZRANGE', KEYS[1], nth, nth)[1] + length
else
  local ahead = redis.call('ZRANGE', KEYS[2], nth - count, nth - count)[1]
  due = redis.call('ZSCORE', KEYS[3], ahead) - late + length
end
-- Somebody has not come in time, by a second: it is worth asking again when that place is lost.
local lapses = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
if lapses[1] and lapses[1] ~= ARGV[3] and lapses[2] - late < now - 1000000 then
  due = math.min(due, lapses[2] + 1000)
end
due = math.max(due, now + 1000)
if place < tonumber(ARGV[5]) then
  redis.call('ZADD', KEYS[2], 'NX', digits(now), ARGV[3])
  redis.call('ZADD', KEYS[3], digits(due + late), ARGV[3])
  local ttl = (due + late - now) / 1000
  for i = 2, 3 do
    if redis.call('PTTL', KEYS[i]) < ttl then redis.call('PEXPIRE', KEYS[i], digits(ttl)) end
  end
end
return {0, digits(due - now)}
`);

/** What {@linkcode takeTurn} takes. */
export interface TakeTurnOptions {
  /** Names of the script's KEYS, in their order. */
  readonly keys: { readonly calls: string; readonly line: string; readonly dues: string };
  /** Calls in any window, at least 1. */
  readonly limit: number;
  /** Length of the window, in milliseconds. */
  readonly lengthMs: number;
  /** Tells callers apart: one that comes again has its place. */
  readonly ticket: string;
  /** How late a ticket may come, in milliseconds. */
  readonly lateMs: number;
  /** How many tickets the line keeps; 0 where it is not to keep this one. */
  readonly places: number;
}

/** Whether the call is let through, and the microseconds until it is worth asking again. */
export async function takeTurn(
  connection: RedisConnection,
  { keys, limit, lengthMs, ticket, lateMs, places }: TakeTurnOptions,
): Promise<{ admitted: boolean; waitUs: number }> {
  const [admitted, waitUs] = await runScript<[number, string]>(connection, TURN, {
    keys: [keys.calls, keys.line, keys.dues],
    args: [String(limit), String(lengthMs), ticket, String(lateMs), String(places)],
  });
  return { admitted: admitted === 1, waitUs: Number(waitUs) };
}
