/**
 * Writes an execution that ran elsewhere, with its log.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { HANDING_OUT, LIBRARY } from "./script_library.ts";

/** Writes log, meta and result; puts what has not ended on the work stream. */
export const ARRIVE = defineScript(`
-- KEYS  1 meta  2 log  3 feed  4 result  5 values  6 idempotency record (any key when there is none)
-- ARGV  1 execution id  2 workflow  3 version  4 trigger  5 status  6 time of the request (ms)  7 '' or that of the end
--       8 how many events claims have appended  9 deadline (ms)  10 result TTL (s)  11 history TTL (s)
--       12 '' or the result (JSON or gzip)  13 base  14 types of the events, by comma  15 fingerprint, or ''
--       16 TTL of the record (s)  17 '1' to reply early  18 token of the importer
--       19.. id, type, time, node or '', data (JSON), '' or the member of data that is large, its name, its JSON
-- Reply [what, id]: 'written' or 'existing', and the other execution that has the idempotency key, or ''
${LIBRARY}
${HANDING_OUT}
local other = ''
if ARGV[15] ~= '' then
  local record = redis.call('HGET', KEYS[6], 'execution')
  if record and record ~= ARGV[1] then other = record end
end
local known = redis.call('HMGET', KEYS[1], 'requestedAt', 'importer')
if known[1] then return {known[2] == ARGV[18] and 'written' or 'existing', other} end
redis.call('DEL', KEYS[2], KEYS[5])
local bytes, values, first, last = 0, '', nil, nil
for i = 19, #ARGV, 8 do
  local words = {'type', ARGV[i + 1], 'time', ARGV[i + 2]}
  if ARGV[i + 3] ~= '' then words[#words + 1] = 'node'; words[#words + 1] = ARGV[i + 3] end
  words[#words + 1] = 'data'
  words[#words + 1] = ARGV[i + 4]
  if ARGV[i + 5] ~= '' then
    redis.call('HSET', KEYS[5], ARGV[i + 6], ARGV[i + 7])
    values = '1'
    words[#words + 1] = 'value'; words[#words + 1] = ARGV[i + 5]
    words[#words + 1] = 'bytes'; words[#words + 1] = #ARGV[i + 7]
  end
  bytes = bytes + #ARGV[i + 4] + #ARGV[i + 7]
  last = redis.call('XADD', KEYS[2], ARGV[i], unpack(words))
  first = first or last
end
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'status', ARGV[5],
  'epoch', '1', 'sequence', ARGV[8], 'requestedAt', ARGV[6], 'deadline', ARGV[9], 'entry', '', 'replyTo', '',
  'early', ARGV[17], 'resultTtl', ARGV[10], 'historyTtl', ARGV[11], 'bytes', bytes, 'values', values, 'importer', ARGV[18])
if ARGV[5] == 'paused' then redis.call('HSET', KEYS[1], 'paused', '1') end
if ARGV[15] ~= '' and other == '' then
  redis.call('HSET', KEYS[6], 'execution', ARGV[1], 'fingerprint', ARGV[15])
  redis.call('EXPIRE', KEYS[6], ARGV[16])
end
if not ENDED[ARGV[5]] then
  redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3],
    'first', first, 'last', last, 'types', ARGV[14])
  requeue(ARGV[13], ARGV[1])
  return {'written', other}
end
redis.call('HSET', KEYS[1], 'endedAt', ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[11])
redis.call('EXPIRE', KEYS[2], ARGV[11])
if values == '1' then redis.call('EXPIRE', KEYS[5], ARGV[11]) end
if ARGV[12] ~= '' then redis.call('SET', KEYS[4], ARGV[12], 'EX', ARGV[10]) end
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3],
  'first', first, 'last', last, 'types', ARGV[14],
  'status', ARGV[5], 'requestedAt', ARGV[6], 'endedAt', ARGV[7], 'keptUntil', ms(clock() + ARGV[11] * 1000))
return {'written', other}
`);

/** What {@linkcode arrive} takes. */
export interface ArriveOptions {
  /** What the execution is kept under, and the feed of its partition. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly feed: string;
    readonly result: string;
    readonly values: string;
  };
  /** The idempotency record; any key when there is none. */
  readonly record: string;
  /** The execution. */
  readonly executionId: string;
  /** Its workflow. */
  readonly workflowId: string;
  /** The version that it ran. */
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Its status. */
  readonly status: string;
  /** When it was requested, in epoch milliseconds. */
  readonly requestedAt: number;
  /** "" while it has not ended. */
  readonly endedAt: number | "";
  /** How many events claims have appended. */
  readonly sequence: number;
  /** When it times out, in epoch milliseconds. */
  readonly deadline: number;
  /** How long its result is kept, in seconds. */
  readonly resultTtlSeconds: number;
  /** How long its log is kept from its end on, in seconds. */
  readonly historyTtlSeconds: number;
  /** "" where there is none. */
  readonly result: string | Uint8Array;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** The types of the events, by comma. */
  readonly types: string;
  /** "" where there is no idempotency record. */
  readonly fingerprint: string;
  /** How long the idempotency record is kept, in seconds. */
  readonly recordTtlSeconds: number;
  /** Whether a caller is answered by the first node that responds. */
  readonly replyEarly: boolean;
  /** Tells an import that was sent twice from what was there before. */
  readonly importer: string;
  /** Id, type, time, node, data, and member, name and JSON of its large value, of each event. */
  readonly words: readonly string[];
}

/** Writes the execution unless it is there. */
export function arrive(
  connection: RedisConnection,
  options: ArriveOptions,
): Promise<["written" | "existing", string]> {
  const { keys } = options;
  return runScript<["written" | "existing", string]>(connection, ARRIVE, {
    keys: [keys.meta, keys.log, keys.feed, keys.result, keys.values, options.record],
    args: [
      options.executionId,
      options.workflowId,
      String(options.version),
      options.trigger,
      options.status,
      String(options.requestedAt),
      String(options.endedAt),
      String(options.sequence),
      String(options.deadline),
      String(options.resultTtlSeconds),
      String(options.historyTtlSeconds),
      options.result,
      options.base,
      options.types,
      options.fingerprint,
      String(options.recordTtlSeconds),
      options.replyEarly ? "1" : "",
      options.importer,
      ...options.words,
    ],
  });
}
