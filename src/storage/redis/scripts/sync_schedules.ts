/**
 * Makes a workflow's schedules those of its definition.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { SCHEDULES } from "./schedules.ts";

/** Adds, changes and removes schedules; what is due already stays due. */
export const SYNC_SCHEDULES = defineScript(`
-- KEYS  1 due  2 schedules of the workflow
-- ARGV  1 workflow  2 base
--       3.. node, trigger (JSON), next (ms) or '', when it is due (ms) or '' of each
-- Reply 'ok'
${SCHEDULES}
local now, wanted = clock(), {}
for i = 3, #ARGV, 4 do
  local node, trigger = ARGV[i], ARGV[i + 1]
  wanted[node] = true
  local known = redis.call('HMGET', KEYS[2], 'trigger:' .. node, 'next:' .. node, 'paused:' .. node)
  if known[1] ~= trigger then
    redis.call('HSET', KEYS[2], 'trigger:' .. node, trigger)
    local isDue = known[1] and known[2] ~= '' and tonumber(known[2]) <= now
    if not isDue then
      redis.call('HSET', KEYS[2], 'next:' .. node, ARGV[i + 2])
      if not known[3] then redis.call('ZADD', KEYS[1], score(ARGV[i + 3]), ARGV[1] .. ' ' .. node) end
    end
  end
end
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  local node = string.match(field, '^trigger:(.*)$')
  if node and not wanted[node] then
    redis.call('HDEL', KEYS[2], field, 'next:' .. node, 'paused:' .. node, 'last:' .. node)
    redis.call('ZREM', KEYS[1], ARGV[1] .. ' ' .. node)
    redis.call('UNLINK', ARGV[2] .. 'notes:' .. ARGV[1] .. ':' .. node)
  end
end
return 'ok'
`);

/** What {@linkcode syncSchedules} takes. */
export interface SyncSchedulesOptions {
  /** The schedules that are due, and those of the workflow. */
  readonly keys: { readonly due: string; readonly schedules: string };
  /** The workflow. */
  readonly workflowId: string;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** Times in epoch milliseconds, or "" for none. */
  readonly wanted: readonly {
    readonly node: string;
    /** As JSON. */
    readonly trigger: string;
    readonly next: string;
    readonly dueAt: string;
  }[];
}

/** Makes a workflow's schedules those that are wanted. */
export async function syncSchedules(connection: RedisConnection, options: SyncSchedulesOptions): Promise<void> {
  const { keys, workflowId, base, wanted } = options;
  await runScript(connection, SYNC_SCHEDULES, {
    keys: [keys.due, keys.schedules],
    args: [workflowId, base, ...wanted.flatMap(({ node, trigger, next, dueAt }) => [node, trigger, next, dueAt])],
  });
}
