/**
 * Claims schedules that are due.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { SCHEDULES } from "./schedules.ts";

/** Puts off what is due by a lease, so that one scheduler at a time sees to it. */
export const CLAIM_SCHEDULES = defineScript(`
-- KEYS  1 due
-- ARGV  1 how many  2 lease (ms)  3 base
-- Reply when the next one is due (ms, 'inf', or '' when there is none), then [workflow, node, trigger, next, last or ''] of each
${SCHEDULES}
local now, reply = clock(), {''}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local workflow, node = string.match(member, '^(%S+) (%S+)$')
  local fields = redis.call('HMGET', ARGV[3] .. 'of:' .. workflow, 'trigger:' .. node, 'next:' .. node, 'last:' .. node)
  if fields[1] and fields[2] and fields[2] ~= '' then
    redis.call('ZADD', KEYS[1], now + ARGV[2], member)
    reply[#reply + 1] = {workflow, node, fields[1], fields[2], fields[3] or ''}
  elseif fields[1] then
    redis.call('ZADD', KEYS[1], '+inf', member)
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
reply[1] = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or ''
return reply
`);

/** What {@linkcode claimSchedules} takes. */
export interface ClaimSchedulesOptions {
  /** The schedules of the partition by the time at which they are due. */
  readonly keys: { readonly due: string };
  /** How many are claimed at most. */
  readonly count: number;
  /** How long nobody else is given them, in milliseconds. */
  readonly leaseMs: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** A claimed schedule: JSON and times as text. */
export type ClaimedSchedule = [workflowId: string, node: string, trigger: string, next: string, last: string];

/** Claims what is due; `nextDue` is a time (ms), "inf" or "". */
export async function claimSchedules(
  connection: RedisConnection,
  options: ClaimSchedulesOptions,
): Promise<{ nextDue: string; claimed: ClaimedSchedule[] }> {
  const { keys, count, leaseMs, base } = options;
  const args = [String(count), String(leaseMs), base];
  const [nextDue, ...claimed] = await runScript<[string, ...ClaimedSchedule[]]>(connection, CLAIM_SCHEDULES, {
    keys: [keys.due],
    args,
  });
  return { nextDue, claimed };
}
