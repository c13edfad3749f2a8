/**
 * Releases a lock, or leaves its queue.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { lockKeyList, type LockKeys, LOCKS } from "./lock_library.ts";

/** Takes a token out of a lock, wherever it is, and grants the lock to whose turn it is then. */
export const LEAVE_LOCK = defineScript(
  `
-- KEYS  1 holder  2 shared  3 sharers  4 queue  5 fence  6 index
-- ARGV  1 base  2 lock  3 token  4 the waiter, as it stands in the queue, or ''
-- Reply 1 when the token was a holder's
${LOCKS}
local k, us = lockKeys(ARGV[1], ARGV[2]), micros()
local now = math.floor(us / 1000)
local fence, _, mode = holding(k, ARGV[3], now)
if mode == 'exclusive' then redis.call('DEL', k.holder) end
if mode == 'shared' then
  redis.call('ZREM', k.shared, ARGV[3])
  redis.call('HDEL', k.sharers, ARGV[3])
end
if ARGV[4] ~= '' then redis.call('ZREM', k.queue, ARGV[4]) end
advance(k, us)
if redis.call('EXISTS', k.holder, k.shared, k.queue) == 0 then redis.call('ZREM', k.index, k.name)
elseif mode == 'shared' then index(k, now) end
return fence and 1 or 0
`,
  { allowOom: true },
);

/** What {@linkcode leaveLock} takes. */
export interface LeaveLockOptions {
  /** The lock's keys. */
  readonly keys: LockKeys;
  /** What the names of the locks' keys begin with. */
  readonly base: string;
  /** The lock's name. */
  readonly name: string;
  /** The secret of the holder, or of the waiter. */
  readonly token: string;
  /** See `queueMember`; or "". */
  readonly member: string;
}

/** Releases or leaves; replies with 1 when the token was a holder's. */
export function leaveLock(
  connection: RedisConnection,
  { keys, base, name, token, member }: LeaveLockOptions,
): Promise<number> {
  return runScript<number>(connection, LEAVE_LOCK, { keys: lockKeyList(keys), args: [base, name, token, member] });
}
