/**
 * Looks after the waiters of one instance.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { LOCKS } from "./lock_library.ts";

/** Keeps an instance's wakes alive, finds those of its waiters that have no place, and ends leases that are over. */
export const WATCH_LOCKS = defineScript(
  `
-- KEYS  1 the instance's wakes
-- ARGV  1 base  2 TTL of the wakes (ms)  3 instance  4 last entry read
--       5.. for each lock: its name, how many waiters, and each as it stands in the queue
-- Reply [after how many ms a lease of them ends, or -1, waiters without a place..]
${LOCKS}
if redis.call('PEXPIRE', KEYS[1], ARGV[2]) == 1 then redis.call('XTRIM', KEYS[1], 'MINID', ARGV[4])
else
  redis.call('XADD', KEYS[1], '*', 'opened', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local us = micros()
local first, missing, at = -1, {}, 5
while at < #ARGV do
  local k, count = lockKeys(ARGV[1], ARGV[at]), tonumber(ARGV[at + 1])
  local places = redis.call('ZMSCORE', k.queue, unpack(ARGV, at + 2, at + 1 + count))
  for i = 1, count do
    if not places[i] then missing[#missing + 1] = ARGV[at + 1 + i] end
  end
  redis.call('PEXPIRE', k.queue, QUEUE_MS)
  advance(k, us)
  local left = redis.call('PTTL', k.holder)
  if left < 0 then
    local till = redis.call('ZRANGE', k.shared, 0, 0, 'WITHSCORES')[2]
    left = till and math.max(0, tonumber(till) - math.floor(us / 1000)) or -1
  end
  if left >= 0 and (first < 0 or left < first) then first = left end
  at = at + 2 + count
end
return {first, unpack(missing)}
`,
  { allowOom: true },
);

/** What {@linkcode watchLocks} takes. */
export interface WatchLocksOptions {
  /** The stream by which this instance's waiters are woken. */
  readonly keys: { readonly wakes: string };
  /** What the names of the locks' keys begin with. */
  readonly base: string;
  /** How long that stream is kept, in milliseconds. */
  readonly wakesTtlMs: number;
  /** Name of this instance. */
  readonly instance: string;
  /** The last entry of the wakes that was read. */
  readonly cursor: string;
  /** Waiters of this instance, each as it stands in its queue, by lock. */
  readonly waiters: ReadonlyMap<string, readonly string[]>;
}

/** Replies with the milliseconds until one of the locks' leases ends, or -1, and the waiters that have no place. */
export function watchLocks(
  connection: RedisConnection,
  { keys, base, wakesTtlMs, instance, cursor, waiters }: WatchLocksOptions,
): Promise<[firstEndMs: number, ...missing: string[]]> {
  const locks = [...waiters].flatMap(([name, members]) => [name, String(members.length), ...members]);
  return runScript(connection, WATCH_LOCKS, {
    keys: [keys.wakes],
    args: [base, String(wakesTtlMs), instance, cursor, ...locks],
  });
}
