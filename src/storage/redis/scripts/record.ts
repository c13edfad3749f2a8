/**
 * Writes an execution that was run before anything was written: its request, its events, its result.
 */
import type { Command, RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { LIBRARY, REQUESTING, WRITING } from "./script_library.ts";

/** Writes a whole execution. */
export const RECORD = defineScript(`
-- KEYS  1 meta  2 log  3 feed  4 result  5 values  6 work  7 idempotency record (any key when there is none); while
--       CLAIM_KEY's it has replyTo
-- ARGV  1 execution id  2 workflow  3 version  4 trigger  5 data of execution.requested (JSON)
--       6 trigger's output (JSON) when it is large and stands beside the log, or ''  7 time of the request (ms)
--       8 terminal status  9 result (JSON or gzip)  10 its TTL (s)  11 history TTL (s)  12 types of the events, by comma
--       13 how many may be queued or run, or '': they are not counted now
--       14 '1' when it may have been sent before; else it is refused as 'late' a second after the time of the request
--       15 fingerprint, or ''  16 its TTL (s)  17.. the events in the words of WRITING
-- Reply [what, how many were queued or run, or '', id]: 'ok'; 'existing' and the one that the key made; 'reused',
--       'full' or 'late' when refused. 'ok' again when it was sent before
${LIBRARY}
${REQUESTING}
${WRITING}
if ARGV[14] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return {'ok', ''} end
local claimed
if ARGV[15] ~= '' then
  local record = redis.call('HMGET', KEYS[7], 'execution', 'fingerprint', 'replyTo')
  claimed = record[3] and record[1] == ARGV[1]
  if record[1] and not claimed then
    -- It was written, and has expired.
    if record[1] == ARGV[1] then return {'ok', ''} end
    return record[2] == ARGV[15] and {'existing', '', record[1]} or {'reused'}
  end
end
local length = ''
if ARGV[13] ~= '' then
  length = redis.call('XLEN', KEYS[6])
  if length >= tonumber(ARGV[13]) then return {'full', length} end
end
local large = ARGV[6] ~= '' and ARGV[6] or nil
local first = begin(KEYS[2], KEYS[5], ARGV[4], ARGV[5], large, ARGV[7], ARGV[14] == '1')
if not first then return {'late', length} end
local _, last, wrote = write(KEYS[2], KEYS[5], 17, first)
-- The id of the last event is the time.
local now = string.match(last, '^%d+')
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'status', ARGV[8], 'epoch', '1',
  'requestedAt', ARGV[7], 'endedAt', now)
redis.call('EXPIRE', KEYS[1], ARGV[11])
redis.call('EXPIRE', KEYS[2], ARGV[11])
if large or wrote then redis.call('EXPIRE', KEYS[5], ARGV[11]) end
redis.call('SET', KEYS[4], ARGV[9], 'EX', ARGV[10])
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3],
  'first', first, 'last', last, 'types', ARGV[12], 'status', ARGV[8], 'requestedAt', ARGV[7], 'endedAt', now,
  'keptUntil', ms(now + ARGV[11] * 1000))
if ARGV[15] ~= '' then
  if claimed then redis.call('DEL', KEYS[7]) end
  redis.call('HSET', KEYS[7], 'execution', ARGV[1], 'fingerprint', ARGV[15])
  redis.call('EXPIRE', KEYS[7], ARGV[16])
end
return {'ok', length}
`);

/** What {@linkcode recordExecution} takes. */
export interface RecordOptions {
  /** What the execution is kept under, and the feed and queue of its partition. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly feed: string;
    readonly result: string;
    readonly values: string;
    readonly work: string;
    /** The idempotency record; any key when there is none. */
    readonly record: string;
  };
  /** The execution. */
  readonly executionId: string;
  /** Its workflow. */
  readonly workflowId: string;
  /** The version that it ran. */
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Data of `execution.requested`, as JSON. */
  readonly data: string;
  /** The trigger's output, as JSON, when it is stored beside the log; else "". */
  readonly largeInput: string;
  /** Milliseconds since the epoch. */
  readonly requestedAt: number;
  /** The status with which it ended. */
  readonly status: string;
  /** The result, as JSON or gzip of it. */
  readonly result: string | Uint8Array;
  /** How long its result is kept, in seconds. */
  readonly resultTtlSeconds: number;
  /** How long its log is kept from its end on, in seconds. */
  readonly historyTtlSeconds: number;
  /** The types of the events, by comma, that of the request first. */
  readonly types: string;
  /** The events after the request, in the words of the script library. */
  readonly words: readonly string[];
  /** The fingerprint of a request with an idempotency key, or "". */
  readonly fingerprint: string;
  /** How long the idempotency record is kept. */
  readonly recordTtlSeconds: number;
}

/** What {@linkcode recordExecution} replies. */
export interface RecordReply {
  readonly what: "ok" | "existing" | "reused" | "full" | "late";
  /** How many were queued or run, where they were counted. */
  readonly length?: number;
  readonly executionIds: readonly string[];
}

/** Writes a whole execution. */
export async function recordExecution(
  connection: RedisConnection,
  options: RecordOptions,
  { again, queueLimit }: { again: boolean; queueLimit: number | undefined },
): Promise<RecordReply> {
  const { keys } = options;
  const [what, length = "", ...executionIds] = await runScript<[RecordReply["what"], number | "", ...string[]]>(
    connection,
    RECORD,
    {
      keys: [keys.meta, keys.log, keys.feed, keys.result, keys.values, keys.work, keys.record],
      args: ([
        options.executionId,
        options.workflowId,
        String(options.version),
        options.trigger,
        options.data,
        options.largeInput,
        String(options.requestedAt),
        options.status,
        options.result,
        String(options.resultTtlSeconds),
        String(options.historyTtlSeconds),
        options.types,
        queueLimit === undefined ? "" : String(queueLimit),
        again ? "1" : "",
        options.fingerprint,
        String(options.recordTtlSeconds),
      ] as Command).concat(options.words),
    },
  );
  return { what, executionIds, ...(length === "" ? {} : { length }) };
}
