/**
 * Requests an execution in the common case of `request.ts`: it is new for certain, nothing is at stake but its log, no
 * other program runs it, its caller waits for its end if for anything, and its queue is not counted now.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import type { RequestOptions, RequestReply, Sending } from "./request_options.ts";
import { refuseLate } from "./script_library.ts";

/** Appends `execution.requested`; puts the execution on the work stream, or gives its sender a lease of it. */
export const REQUEST_PLAIN = defineScript(`
-- KEYS  1 meta  2 log  3 feed  4 work, or with ARGV 10 timers
-- ARGV  1 execution id  2 workflow  3 version  4 trigger  5 data of execution.requested (JSON)
--       6 instance to reply to, or ''  7 result TTL and history TTL (s), a space between  8 timeout (ms)  9 time (ms)
--       10 lease (ms) under which the sender runs it; absent: it goes on the work stream
-- Reply 'ok', or 'local' when the sender has the lease; 'late' a second after ARGV 9: it may have been sent again
local id = redis.call('XADD', KEYS[2], '*', 'type', 'execution.requested', 'time', ARGV[9], 'data', ARGV[5])
${refuseLate({ sentAt: "ARGV[9]" })}
local entry
if ARGV[10] then
  entry = 'local'
  redis.call('ZADD', KEYS[4], now + ARGV[10], ARGV[1])
elseif ARGV[6] ~= '' then
  entry = redis.call('XADD', KEYS[4], '*', 'execution', ARGV[1], 'at', ARGV[9], 'replyTo', ARGV[6], 'request', ARGV[5])
else
  entry = redis.call('XADD', KEYS[4], '*', 'execution', ARGV[1], 'at', ARGV[9], 'request', ARGV[5])
end
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'status', 'pending',
  'epoch', '1', 'sequence', '1', 'requestedAt', ARGV[9], 'deadline', string.format('%.0f', now + ARGV[8]), 'entry', entry,
  'replyTo', ARGV[6], 'plain', ARGV[7], 'bytes', #ARGV[5])
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', id,
  'append', ARGV[2] .. ' ' .. ARGV[3] .. ' execution.requested')
return ARGV[10] and 'local' or 'ok'
`);

/** Whether a request is as this script takes it. */
export function isPlain(
  { admission, external, replyEarly, input }: RequestOptions,
  { again, queueLimit }: Sending,
): boolean {
  if (again || replyEarly || input !== "") return false;
  return queueLimit === undefined && external === undefined && admission === undefined;
}

/** Appends a request that {@linkcode isPlain}. */
export async function requestPlainly(
  connection: RedisConnection,
  options: RequestOptions,
  { time, leaseMs }: Pick<Sending, "time" | "leaseMs">,
): Promise<RequestReply> {
  const { keys, executionId, workflowId, version, trigger, data, replyTo, timeoutMs } = options;
  const { resultTtlSeconds, historyTtlSeconds } = options;
  const ttls = `${resultTtlSeconds} ${historyTtlSeconds}`;
  const args = [
    executionId,
    workflowId,
    String(version),
    trigger,
    data,
    replyTo,
    ttls,
    String(timeoutMs),
    String(time),
  ];
  if (leaseMs !== undefined) args.push(String(leaseMs));
  const what = await runScript<"ok" | "local" | "late">(connection, REQUEST_PLAIN, {
    keys: [keys.meta, keys.log, keys.feed, leaseMs === undefined ? keys.work : keys.timers],
    args,
  });
  return { what, executionIds: [] };
}
