/**
 * What the scripts of schedules share, and the smaller ones: pause and resume.
 *
 * A workflow's schedules are one hash, with the fields `trigger:<node>` (JSON), `next:<node>` (ms, or ''),
 * `paused:<node>` ('1') and `last:<node>` (JSON) of each; what is due lies in one sorted set.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Redis's time, and notes. */
export const SCHEDULES = `
local NOTES, NOTES_SECONDS = 100, 2592000
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function score(due) return due == '' and '+inf' or due end
local function note(key, from, count)
  for i = from, from + count - 1 do redis.call('XADD', key, 'MAXLEN', NOTES, '*', 'note', ARGV[i]) end
  if count > 0 then redis.call('EXPIRE', key, NOTES_SECONDS) end
end
`;

/** Stops a schedule, or lets it go on. */
export const PAUSE_SCHEDULE = defineScript(`
-- KEYS  1 due  2 schedules of the workflow  3 notes
-- ARGV  1 workflow  2 node  3 'pause' or 'resume'; with 'resume':  4 next (ms), or ''  5 when it is due (ms), or ''  6.. notes (JSON)
-- Reply 1, or 0 when there is no such schedule
${SCHEDULES}
local member, paused = ARGV[1] .. ' ' .. ARGV[2], 'paused:' .. ARGV[2]
if redis.call('HEXISTS', KEYS[2], 'trigger:' .. ARGV[2]) == 0 then return 0 end
if ARGV[3] == 'pause' then
  redis.call('HSET', KEYS[2], paused, '1')
  redis.call('ZADD', KEYS[1], '+inf', member)
elseif redis.call('HDEL', KEYS[2], paused) == 1 then
  redis.call('HSET', KEYS[2], 'next:' .. ARGV[2], ARGV[4])
  redis.call('ZADD', KEYS[1], score(ARGV[5]), member)
  note(KEYS[3], 6, #ARGV - 5)
end
return 1
`);

/** The keys of one schedule. */
export interface ScheduleKeys {
  readonly due: string;
  /** The schedules of its workflow. */
  readonly schedules: string;
  readonly notes: string;
}

/** What {@linkcode pauseSchedule} takes. */
export interface PauseScheduleOptions {
  /** The schedules that are due, those of the workflow, and this one's notes. */
  readonly keys: ScheduleKeys;
  /** The workflow. */
  readonly workflowId: string;
  /** Id of the trigger node. */
  readonly node: string;
  /** Absent to stop it: times in epoch milliseconds, or "" for none, and notes as JSON. */
  readonly resume?: { readonly next: string; readonly dueAt: string; readonly notes: readonly string[] };
}

/** Says whether there is such a schedule. */
export async function pauseSchedule(connection: RedisConnection, options: PauseScheduleOptions): Promise<boolean> {
  const { keys: { due, schedules, notes }, workflowId, node, resume } = options;
  const rest = resume === undefined ? ["pause"] : ["resume", resume.next, resume.dueAt, ...resume.notes];
  const args = [workflowId, node, ...rest];
  return await runScript<number>(connection, PAUSE_SCHEDULE, { keys: [due, schedules, notes], args }) === 1;
}
