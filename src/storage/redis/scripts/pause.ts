/**
 * Pauses and resumes an execution.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { HANDING_OUT, HOLDING, LIBRARY } from "./script_library.ts";

/** Lets no further node start, or lets them start again. */
export const PAUSE = defineScript(
  `
-- KEYS  1 meta  2 log  3 feed  4 work  5 timers
-- ARGV  1 execution id  2 'paused' or 'resumed'  3 group  4 base
-- Reply 'done', 'unchanged', 'ended' or 'unknown'
${LIBRARY}
${HOLDING}
${HANDING_OUT}
local m = redis.call('HMGET', KEYS[1], 'status', 'paused', 'entry', 'inLine', 'deadline', 'workflow', 'version')
if not m[1] then return 'unknown' end
if ENDED[m[1]] then return 'ended' end
local pause = ARGV[2] == 'paused'
if pause == (m[2] == '1') then return 'unchanged' end
local type = 'execution.' .. ARGV[2]
local id = redis.call('XADD', KEYS[2], '*', 'type', type, 'time', ms(clock()), 'data', '{}')
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', id, 'append', m[6] .. ' ' .. m[7] .. ' ' .. type)
redis.call('HSET', KEYS[1], 'paused', pause and '1' or '', 'status', pause and 'paused' or 'running')
if pause then
  -- What no worker has been given yet is taken back; a worker that has it is told.
  if m[3] ~= '' and m[3] ~= LOCAL and not holder(KEYS[4], ARGV[3], m[3]) then
    redis.call('XDEL', KEYS[4], m[3])
    redis.call('HSET', KEYS[1], 'entry', '')
    redis.call('ZADD', KEYS[5], m[5], ARGV[1])
  end
elseif m[3] == '' and m[4] ~= '1' then
  redis.call('ZREM', KEYS[5], ARGV[1])
  requeue(ARGV[4], ARGV[1])
end
return 'done'
`,
  { allowOom: true },
);

/** What {@linkcode pause} takes. */
export interface PauseOptions {
  /** What the execution is kept under, and the feed, queue and timers of its partition. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly feed: string;
    readonly work: string;
    readonly timers: string;
  };
  /** The execution. */
  readonly executionId: string;
  /** Whether it is paused or resumed. */
  readonly what: "paused" | "resumed";
  /** Name of the consumer group. */
  readonly group: string;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** What {@linkcode pause} replies. */
export type PauseReply = "done" | "unchanged" | "ended" | "unknown";

/** Pauses an execution, or resumes it. */
export function pause(connection: RedisConnection, options: PauseOptions): Promise<PauseReply> {
  const { keys, executionId, what, group, base } = options;
  return runScript<PauseReply>(connection, PAUSE, {
    keys: [keys.meta, keys.log, keys.feed, keys.work, keys.timers],
    args: [executionId, what, group, base],
  });
}
