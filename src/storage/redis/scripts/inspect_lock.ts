/**
 * Reads a lock.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import type { LockKeys } from "./lock_library.ts";

/** Reads holders and waiters of one moment. */
export const INSPECT_LOCK = defineScript(`
-- KEYS  1 holder  2 shared  3 sharers  4 queue
-- ARGV  1 how many waiters are shown
-- Reply [now (ms), exclusive holder or nil, end of its lease (ms), [token, end of the lease (ms)..] of those who share it,
--       [their hash fields..], how many wait, [the first of them..]]
local t = redis.call('TIME')
local shared = redis.call('ZRANGE', KEYS[2], 0, 999, 'WITHSCORES')
local tokens = {}
for i = 1, #shared, 2 do tokens[#tokens + 1] = shared[i] end
return {
  string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)),
  redis.call('GET', KEYS[1]), redis.call('PEXPIRETIME', KEYS[1]), shared,
  #tokens > 0 and redis.call('HMGET', KEYS[3], unpack(tokens)) or {},
  redis.call('ZCARD', KEYS[4]), redis.call('ZRANGE', KEYS[4], 0, ARGV[1] - 1),
}
`);

/** What {@linkcode inspectLock} replies. */
export type InspectReply = [
  now: string,
  /** "<token> <fence> <instance> <owner>". */
  holder: string | null,
  till: number,
  shared: string[],
  /** "<fence> <instance> <owner>" each. */
  sharers: (string | null)[],
  waiting: number,
  waiters: string[],
];

/** Reads a lock. */
export function inspectLock(
  connection: RedisConnection,
  { keys, shownWaiters }: { keys: LockKeys; shownWaiters: number },
): Promise<InspectReply> {
  const { holder, shared, sharers, queue } = keys;
  return runScript<InspectReply>(connection, INSPECT_LOCK, {
    keys: [holder, shared, sharers, queue],
    args: [String(shownWaiters)],
  });
}
