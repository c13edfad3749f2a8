/**
 * Lets a call through, if the window has room for it.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { MICROSECONDS, WINDOW } from "./time_library.ts";

/** A sliding window: the calls of the last so many microseconds, by Redis's time, which never goes back in it. */
export const ADMIT = defineScript(`
-- KEYS  1 sorted set of the calls in the window, each its own time (µs)
-- ARGV  1 how many may be in it  2 its length (ms)
-- Reply 1 or 0 (admitted), how many are in it now, µs until the oldest has left
${MICROSECONDS}${WINDOW}
local now, length = slide(ARGV[2])
local count = redis.call('ZCARD', KEYS[1])
local admitted = 0
if count < tonumber(ARGV[1]) then
  local text = digits(now)
  redis.call('ZADD', KEYS[1], text, text)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  admitted = 1
  count = count + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
return {admitted, count, digits(oldest + length - now)}
`);

/** What {@linkcode admitCall} takes. */
export interface AdmitCallOptions {
  /** The calls in the window. */
  readonly keys: { readonly calls: string };
  /** How many calls the window may have. */
  readonly limit: number;
  /** How long the window is, in milliseconds. */
  readonly lengthMs: number;
}

/** Whether a call is let through, the number of calls in the window, and the microseconds until its oldest has left. */
export async function admitCall(
  connection: RedisConnection,
  { keys, limit, lengthMs }: AdmitCallOptions,
): Promise<{ admitted: boolean; count: number; resetUs: number }> {
  const [admitted, count, resetUs] = await runScript<[number, number, string]>(connection, ADMIT, {
    keys: [keys.calls],
    args: [String(limit), String(lengthMs)],
  });
  return { admitted: admitted === 1, count, resetUs: Number(resetUs) };
}
