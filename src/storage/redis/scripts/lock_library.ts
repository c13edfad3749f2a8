/**
 * Lua functions that the scripts of locks share.
 *
 * A holder is "<token> <fence> <instance> <owner>": exclusive as the string `lock:<name>`, set with NX and PXAT; shared
 * as a hash field `<token>` of `lock-sharers:<name>`, without the token, whose lease ends at its score in
 * `lock-shared:<name>`. Ends are times, not rests: PX counts from the beginning of a script, which may be before its TIME.
 * A waiter is "<token> <mode> <ttl> <instance> <owner>" in `lock-queue:<name>`, by arrival.
 *
 * Whoever was granted a lock while it waited is told so by its instance's stream, and has `FIRST_MS` to take it up by a
 * renewal; an instance whose stream has expired is gone, and its waiters are passed over.
 */
import { MICROSECONDS } from "./time_library.ts";

/** The keys of one lock. */
export interface LockKeys {
  /** String: the exclusive holder, for as long as its lease runs. */
  readonly holder: string;
  /** Sorted set of the tokens of those who share it, scored with the end of their lease (ms). */
  readonly shared: string;
  /** Hash of those tokens: who holds them. */
  readonly sharers: string;
  /** Sorted set of those who wait, scored with their arrival (microseconds). */
  readonly queue: string;
  /** String: the last fence that a lock of this partition was given. */
  readonly fence: string;
  /** Sorted set of the locks of this partition that are held, scored with the end of their last lease (ms). */
  readonly index: string;
}

/** Time, grants, and whose turn it is. */
export const LOCKS = `${MICROSECONDS}
local FIRST_MS, FENCE_MS, QUEUE_MS, FORGET_MS = 2000, 86400000, 60000, 60000
local function lockKeys(base, name)
  return {
    holder = base .. 'lock:' .. name, shared = base .. 'lock-shared:' .. name, sharers = base .. 'lock-sharers:' .. name,
    queue = base .. 'lock-queue:' .. name, index = base .. 'locks', base = base, name = name,
  }
end
local function outlive(key, ttl)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, digits(ttl)) end
end
-- Forgets sharers whose lease is over; true when somebody keeps out who asks for this mode.
local function isHeld(k, mode, now)
  if redis.call('EXISTS', k.holder) == 1 then return true end
  local lapsed = redis.call('ZRANGEBYSCORE', k.shared, '-inf', digits(now), 'LIMIT', 0, 1000)
  if #lapsed > 0 then
    redis.call('ZREM', k.shared, unpack(lapsed))
    redis.call('HDEL', k.sharers, unpack(lapsed))
  end
  return mode == 'exclusive' and redis.call('ZCARD', k.shared) > 0
end
-- A fence above all before it: the time in microseconds, or one more than the last.
local function nextFence(k, us)
  local key = k.base .. 'lock-fence'
  local fence = digits(math.max(us, (tonumber(redis.call('GET', key) or '') or 0) + 1))
  redis.call('SET', key, fence, 'PX', FENCE_MS)
  return fence
end
-- Says in the index when the last lease of a lock ends: of those who share it, whoever came or renewed last may end first.
local function index(k, now)
  redis.call('ZREMRANGEBYSCORE', k.index, '-inf', digits(now - FORGET_MS))
  local till = redis.call('PEXPIRETIME', k.holder)
  if till < 0 then till = tonumber(redis.call('ZRANGE', k.shared, -1, -1, 'WITHSCORES')[2] or '') end
  if till then redis.call('ZADD', k.index, digits(till), k.name) end
end
-- Makes a holder. Replies with the end of its lease.
local function grant(k, who, fence, ttl, now)
  local rest = fence .. ' ' .. who.instance .. ' ' .. who.owner
  if who.mode == 'exclusive' then
    redis.call('SET', k.holder, who.token .. ' ' .. rest, 'NX', 'PXAT', digits(now + ttl))
  else
    redis.call('ZADD', k.shared, digits(now + ttl), who.token)
    redis.call('HSET', k.sharers, who.token, rest)
    outlive(k.shared, ttl)
    outlive(k.sharers, ttl)
  end
  index(k, now)
  return digits(now + ttl)
end
-- Tells an instance; false when it is gone.
local function tell(k, instance, what, token)
  return redis.call('XADD', k.base .. 'lock-wakes:' .. instance, 'NOMKSTREAM', 'MAXLEN', '~', 20000, '*', what, token)
end
local function waiter(member)
  local token, mode, ttl, instance, owner = string.match(member, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
  return {token = token, mode = mode, ttl = tonumber(ttl), instance = instance, owner = owner}
end
-- Grants the lock to those whose turn it is. Replies with the fence and the end of the lease of 'own', if it is one.
local function advance(k, us, own)
  local now = math.floor(us / 1000)
  local mine
  while true do
    local member = redis.call('ZRANGE', k.queue, 0, 0)[1]
    if not member then break end
    local who = waiter(member)
    if isHeld(k, who.mode, now) then break end
    redis.call('ZREM', k.queue, member)
    if who.token == own then
      local fence = nextFence(k, us)
      mine = {'granted', fence, grant(k, who, fence, who.ttl, now)}
    elseif tell(k, who.instance, 'granted', who.token) then
      grant(k, who, nextFence(k, us), math.min(who.ttl, FIRST_MS), now)
    end
  end
  return mine
end
-- The holder with this token: its fence, and the end of its lease. Nothing when it is none (any more).
local function holding(k, token, now)
  local held = redis.call('GET', k.holder)
  if held then
    local t, fence = string.match(held, '^(%S+) (%S+)')
    if t == token then return fence, digits(redis.call('PEXPIRETIME', k.holder)), 'exclusive' end
  end
  local till = redis.call('ZSCORE', k.shared, token)
  if till and tonumber(till) > now then
    return string.match(redis.call('HGET', k.sharers, token), '^%S+'), digits(tonumber(till)), 'shared'
  end
end
`;

/** The KEYS of a script about one lock: 1 holder  2 shared  3 sharers  4 queue  5 fence  6 index. */
export function lockKeyList({ holder, shared, sharers, queue, fence, index }: LockKeys): string[] {
  return [holder, shared, sharers, queue, fence, index];
}
