/**
 * Moves a claimed schedule on.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { type ScheduleKeys, SCHEDULES } from "./schedules.ts";

/** Sets the next run, if the schedule is as it was when it was claimed. */
export const MOVE_SCHEDULE = defineScript(
  `
-- KEYS  1 due  2 schedules of the workflow  3 notes
-- ARGV  1 workflow  2 node  3 next that was claimed (ms)  4 trigger that was claimed (JSON)  5 next (ms), or ''
--       6 when it is due (ms), or ''  7 last runs (JSON)  8.. notes (JSON)
-- Reply 'ok'; 'changed' when it has another trigger now: then it is due at once; 'moved' when it was moved on before
${SCHEDULES}
local member, node = ARGV[1] .. ' ' .. ARGV[2], ARGV[2]
local known = redis.call('HMGET', KEYS[2], 'trigger:' .. node, 'next:' .. node, 'paused:' .. node)
if known[2] ~= ARGV[3] then return 'moved' end
if known[1] ~= ARGV[4] then
  if not known[3] then redis.call('ZADD', KEYS[1], clock(), member) end
  return 'changed'
end
redis.call('HSET', KEYS[2], 'next:' .. node, ARGV[5], 'last:' .. node, ARGV[7])
if not known[3] then redis.call('ZADD', KEYS[1], score(ARGV[6]), member) end
note(KEYS[3], 8, #ARGV - 7)
return 'ok'
`,
  { allowOom: true },
);

/** What {@linkcode moveSchedule} takes; times are epoch milliseconds, or "" for none. */
export interface MoveScheduleOptions {
  /** The schedules that are due, those of the workflow, and this one's notes. */
  readonly keys: ScheduleKeys;
  /** The workflow. */
  readonly workflowId: string;
  /** Id of the trigger node. */
  readonly node: string;
  /** What was claimed. */
  readonly from: { readonly next: string; readonly trigger: string };
  /** The time of the next run, in epoch milliseconds; "" for none. */
  readonly next: string;
  /** When that run is due, in epoch milliseconds; "" for none. */
  readonly dueAt: string;
  /** As JSON. */
  readonly last: string;
  /** Each as JSON. */
  readonly notes: readonly string[];
}

/** Moves a schedule on. */
export function moveSchedule(
  connection: RedisConnection,
  options: MoveScheduleOptions,
): Promise<"ok" | "changed" | "moved"> {
  const { keys, workflowId, node, from, next, dueAt, last, notes } = options;
  return runScript<"ok" | "changed" | "moved">(connection, MOVE_SCHEDULE, {
    keys: [keys.due, keys.schedules, keys.notes],
    args: [workflowId, node, from.next, from.trigger, next, dueAt, last, ...notes],
  });
}
