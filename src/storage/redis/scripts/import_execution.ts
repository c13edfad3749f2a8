/**
 * Puts an imported execution in its place.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Gives what was written beforehand its names, and lists it: all of it at once, or nothing. */
export const IMPORT = defineScript(`
-- KEYS  1 meta  2 log  3 values  4 result  5 staged log  6 staged values  7 index of all  8 of its workflow
--       9 of its status  10 expiry of the indexes
-- ARGV  1 execution id  2 TTL (s)  3 result  4 workflow  5 version  6 trigger  7 status  8 requestedAt  9 endedAt (ms)
--       10 how many events  11 bytes
-- Reply 'ok', 'exists' when there is an execution of that id, or 'gone' when what was written beforehand has expired
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 1 then return 'exists' end
if redis.call('XLEN', KEYS[5]) ~= tonumber(ARGV[10]) then return 'gone' end
redis.call('RENAME', KEYS[5], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[3])
if redis.call('EXISTS', KEYS[6]) == 1 then
  redis.call('RENAME', KEYS[6], KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[2])
end
redis.call('SET', KEYS[4], ARGV[3], 'EX', ARGV[2])
redis.call('HSET', KEYS[1], 'workflow', ARGV[4], 'version', ARGV[5], 'trigger', ARGV[6], 'status', ARGV[7],
  'requestedAt', ARGV[8], 'endedAt', ARGV[9], 'epoch', '1', 'sequence', ARGV[10], 'entry', '', 'replyTo', '',
  'resultTtl', ARGV[2], 'historyTtl', ARGV[2], 'bytes', ARGV[11], 'imported', '1')
redis.call('EXPIRE', KEYS[1], ARGV[2])
for i = 7, 9 do redis.call('ZADD', KEYS[i], 0, ARGV[1]) end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[10], time[1] * 1000 + ARGV[2] * 1000, ARGV[1] .. ' ' .. ARGV[7] .. ' ' .. ARGV[4])
return 'ok'
`);

/** What {@linkcode importExecution} takes. */
export interface ImportOptions {
  /** What the execution is kept under, what was written beforehand, and the indexes that it enters. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly values: string;
    readonly result: string;
    readonly stagedLog: string;
    readonly stagedValues: string;
    readonly all: string;
    readonly workflow: string;
    readonly status: string;
    readonly expiry: string;
  };
  /** The id under which it is imported. */
  readonly executionId: string;
  /** How long it is kept, in seconds. */
  readonly ttlSeconds: number;
  /** As it is stored. */
  readonly result: string | Uint8Array;
  /** Its workflow. */
  readonly workflowId: string;
  /** The version that it ran. */
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** The status with which it ended. */
  readonly status: string;
  /** When it was requested, in epoch milliseconds. */
  readonly requestedAt: number;
  /** When it ended, in epoch milliseconds. */
  readonly endedAt: number;
  /** How many events its log has. */
  readonly events: number;
  /** How many bytes its log has. */
  readonly bytes: number;
}

/** Puts an execution in its place that was written beforehand. */
export function importExecution(
  connection: RedisConnection,
  options: ImportOptions,
): Promise<"ok" | "exists" | "gone"> {
  const { keys, executionId, ttlSeconds, result, workflowId, version, trigger, status } = options;
  const { requestedAt, endedAt, events, bytes } = options;
  return runScript<"ok" | "exists" | "gone">(connection, IMPORT, {
    keys: [
      ...[keys.meta, keys.log, keys.values, keys.result, keys.stagedLog, keys.stagedValues],
      ...[keys.all, keys.workflow, keys.status, keys.expiry],
    ],
    args: [
      ...[executionId, String(ttlSeconds), result, workflowId, String(version), trigger, status],
      ...[requestedAt, endedAt, events, bytes].map(String),
    ],
  });
}
