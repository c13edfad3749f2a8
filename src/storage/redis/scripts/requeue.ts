/**
 * Requeues a claim.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { HANDING_OUT, LIBRARY } from "./script_library.ts";

/** Puts a claim back on the work stream, for another worker. */
export const REQUEUE = defineScript(
  `
-- KEYS  1 meta  2 work
-- ARGV  1 execution id  2 epoch  3 group  4 base
-- Reply 1, or 0 when the claim was no longer the newest
${LIBRARY}
${HANDING_OUT}
local m = redis.call('HMGET', KEYS[1], 'epoch', 'status', 'entry', 'paused', 'deadline')
if m[1] ~= ARGV[2] or ENDED[m[2]] or m[3] == '' then return 0 end
if m[3] == LOCAL then redis.call('ZREM', ARGV[4] .. 'timers', ARGV[1]) else drop(KEYS[2], ARGV[3], m[3]) end
if m[4] == '1' and clock() < tonumber(m[5]) then
  -- A paused execution lies on the work stream at its deadline only.
  redis.call('HSET', KEYS[1], 'entry', '')
  redis.call('ZADD', ARGV[4] .. 'timers', m[5], ARGV[1])
else
  requeue(ARGV[4], ARGV[1])
end
return 1
`,
  { allowOom: true },
);

/** What {@linkcode requeue} takes. */
export interface RequeueOptions {
  /** What is known of the execution besides its log, and the work stream. */
  readonly keys: { readonly meta: string; readonly work: string };
  /** The execution. */
  readonly executionId: string;
  /** The claim's epoch. */
  readonly epoch: number;
  /** Name of the consumer group. */
  readonly group: string;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** Requeues a claim; `false` when it was no longer the newest. */
export async function requeue(connection: RedisConnection, options: RequeueOptions): Promise<boolean> {
  const { keys, executionId, epoch, group, base } = options;
  const requeued = await runScript<number>(connection, REQUEUE, {
    keys: [keys.meta, keys.work],
    args: [executionId, String(epoch), group, base],
  });
  return requeued === 1;
}
