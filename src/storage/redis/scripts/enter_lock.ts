/**
 * Takes a lock, or a place in its queue.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { lockKeyList, type LockKeys, LOCKS } from "./lock_library.ts";

/** Grants a lock at once, queues for it, or refuses it. */
export const ENTER_LOCK = defineScript(`
-- KEYS  1 holder  2 shared  3 sharers  4 queue  5 fence  6 index  7 the instance's wakes
-- ARGV  1 base  2 lock  3 token  4 mode  5 ttl (ms)  6 instance  7 owner  8 'try', 'wait' or 'steal'
--       9 arrival (microseconds) when it waited before, or ''  10 how many may wait, and share  11 TTL of the wakes (ms)
-- Reply ['granted', fence, end of the lease (ms)], again when it was sent before; ['queued', arrival, rest of
--       the exclusive holder's lease (ms)]; ['held'] for a try that failed; ['full']
${LOCKS}
local k, us = lockKeys(ARGV[1], ARGV[2]), micros()
local now = math.floor(us / 1000)
local who = {token = ARGV[3], mode = ARGV[4], ttl = tonumber(ARGV[5]), instance = ARGV[6], owner = ARGV[7]}
local crowd = tonumber(ARGV[10])
local fence, till = holding(k, who.token, now)
if fence then return {'granted', fence, till} end
-- Before it holds or waits, its instance can be told.
if redis.call('PEXPIRE', KEYS[7], ARGV[11]) == 0 then
  redis.call('XADD', KEYS[7], '*', 'opened', who.instance)
  redis.call('PEXPIRE', KEYS[7], ARGV[11])
end
if ARGV[8] == 'steal' then
  local held = redis.call('GET', k.holder)
  if held then
    local token, _, instance = string.match(held, '^(%S+) (%S+) (%S+)')
    tell(k, instance, 'lost', token)
  end
  local sharers = redis.call('HGETALL', k.sharers)
  for i = 1, #sharers, 2 do tell(k, string.match(sharers[i + 1], '^%S+ (%S+)'), 'lost', sharers[i]) end
  redis.call('DEL', k.holder, k.shared, k.sharers)
end
if who.mode == 'shared' and redis.call('ZCARD', k.shared) >= crowd then
  isHeld(k, 'shared', now)
  if redis.call('ZCARD', k.shared) >= crowd then return {'full'} end
end
local member = table.concat({who.token, who.mode, ARGV[5], who.instance, who.owner}, ' ')
local ticket = ARGV[8] == 'wait' and redis.call('ZSCORE', k.queue, member)
if not ticket then
  if ARGV[8] == 'try' then advance(k, us) end
  if ARGV[8] == 'steal' or (redis.call('EXISTS', k.queue) == 0 and not isHeld(k, who.mode, now)) then
    fence = nextFence(k, us)
    return {'granted', fence, grant(k, who, fence, who.ttl, now)}
  end
  if ARGV[8] == 'try' then return {'held'} end
  if redis.call('ZCARD', k.queue) >= crowd then return {'full'} end
  local last = redis.call('ZRANGE', k.queue, -1, -1, 'WITHSCORES')[2]
  ticket = ARGV[9] ~= '' and ARGV[9] or digits(math.max(us, (tonumber(last or '') or 0) + 1))
  redis.call('ZADD', k.queue, ticket, member)
end
redis.call('PEXPIRE', k.queue, QUEUE_MS)
return advance(k, us, who.token) or {'queued', ticket, redis.call('PTTL', k.holder)}
`);

/** What {@linkcode enterLock} takes. */
export interface EnterLockOptions {
  /** The lock's keys, and the stream by which this instance's waiters are woken. */
  readonly keys: LockKeys & { readonly wakes: string };
  /** What the names of the locks' keys begin with. */
  readonly base: string;
  /** The lock's name. */
  readonly name: string;
  /** The secret of the holder to be. */
  readonly token: string;
  /** Alone, or together with others who share. */
  readonly mode: "exclusive" | "shared";
  /** How long it is held without a renewal, in milliseconds. */
  readonly ttlMs: number;
  /** The instance to be told; without spaces. */
  readonly instance: string;
  /** Shown to those who look at the lock. */
  readonly owner: string;
  /** Asks once, waits in the queue, or takes it from its holders. */
  readonly how: "try" | "wait" | "steal";
  /** The arrival, as it was replied before, of who has lost its place; or "". */
  readonly ticket: string;
  /** How many may wait for the lock, and how many may share it. */
  readonly crowd: number;
  /** How long the instance's stream is kept, in milliseconds. */
  readonly wakesTtlMs: number;
}

/** What {@linkcode enterLock} replies. */
export type EnterReply =
  | [what: "granted", fence: string, expiresAt: string]
  | [what: "queued", ticket: string, remainingMs: number]
  | [what: "held" | "full"];

/** Asks for a lock. */
export function enterLock(connection: RedisConnection, options: EnterLockOptions): Promise<EnterReply> {
  const { keys, base, name, token, mode, ttlMs, instance, owner, how, ticket, crowd, wakesTtlMs } = options;
  return runScript<EnterReply>(connection, ENTER_LOCK, {
    keys: [...lockKeyList(keys), keys.wakes],
    args: [base, name, token, mode, String(ttlMs), instance, owner, how, ticket, String(crowd), String(wakesTtlMs)],
  });
}

/** A waiter as it stands in the queue. */
export function queueMember(
  { token, mode, ttlMs, instance, owner }: Pick<EnterLockOptions, "token" | "mode" | "ttlMs" | "instance" | "owner">,
): string {
  return [token, mode, String(ttlMs), instance, owner].join(" ");
}
