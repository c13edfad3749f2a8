/**
 * Wakes what is due.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { ADMISSION } from "./admission_library.ts";
import { HANDING_OUT, LIBRARY } from "./script_library.ts";

/** Puts what is due back on the work stream. */
export const WAKE = defineScript(
  `
-- KEYS  1 timers
-- ARGV  1 how many at most  2 base
-- Reply [how many were due, milliseconds until the next one, or '']
${LIBRARY}
${HANDING_OUT}
${ADMISSION}
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  redis.call('ZREM', KEYS[1], member)
  if string.sub(member, 1, 6) == 'admit:' then
    local group = string.sub(member, 7)
    admit(ARGV[2], group, now)
    if redis.call('ZCARD', ARGV[2] .. 'admission:' .. group) > 0 then
      redis.call('ZADD', KEYS[1], now + SLOT_MS, member)
    end
  else
    local meta = ARGV[2] .. 'meta:' .. member
    local m = redis.call('HMGET', meta, 'status', 'entry', 'paused', 'deadline', 'inLine', 'workflow', 'limited', 'lock')
    if m[1] and not ENDED[m[1]] and (m[2] == '' or m[2] == LOCAL) then
      if m[2] == LOCAL then
        -- The lease of an instance that ran it has lapsed: a delivery that failed.
        redis.call('HINCRBY', meta, 'deliveries', 1)
        redis.call('HSET', meta, 'entry', '')
      end
      if m[3] == '1' and now < tonumber(m[4]) then
        redis.call('ZADD', KEYS[1], m[4], member)
      else
        -- One that still waits for its lock or a slot has reached its deadline: a worker ends it.
        local groups = m[5] == '1' and groupsOf(m[6], m[7], m[8]) or {}
        for _, group in ipairs(groups) do unqueue(ARGV[2], group, member) end
        requeue(ARGV[2], member)
        for _, group in ipairs(groups) do admit(ARGV[2], group, now) end
      end
    end
  end
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {#due, next and ms(math.max(0, next - now)) or ''}
`,
  { allowOom: true },
);

/** What {@linkcode wake} takes. */
export interface WakeOptions {
  /** The timers of the partition. */
  readonly keys: { readonly timers: string };
  /** How many timers it moves at most. */
  readonly count: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** What {@linkcode wake} replies. */
export interface Woken {
  /** How many timers were due. */
  readonly due: number;
  /** Milliseconds until the next timer; absent when there is none. */
  readonly nextMs?: number;
}

/** Puts executions whose timer is due back on the work stream. */
export async function wake(connection: RedisConnection, { keys, count, base }: WakeOptions): Promise<Woken> {
  const [due, next] = await runScript<[number, string]>(connection, WAKE, {
    keys: [keys.timers],
    args: [String(count), base],
  });
  return next === "" ? { due } : { due, nextMs: Number(next) };
}
