/**
 * Writes an execution that was run before anything was written: its request, its events, its result.
 */
import type { Command, RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { refuseLate, REQUESTING, WRITING } from "./script_library.ts";

/** What is kept of an execution that ended at `now`, beside its log, and for how long. */
const KEEPING = `
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'status', ARGV[5], 'epoch', '1',
  'requestedAt', ARGV[4], 'endedAt', now)
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('EXPIRE', KEYS[2], ARGV[8])
redis.call('SET', KEYS[4], ARGV[6], 'EX', ARGV[7])
`;

/** Writes a whole execution in the common case: new for certain, in one log entry, with no key, and nothing to count. */
export const RECORD_PLAIN = defineScript(`
-- KEYS  1 meta  2 log  3 feed  4 result
-- ARGV  1 execution id  2 workflow  3 version  4 time of the request (ms)  5 terminal status  6 result (JSON or gzip)
--       7 its TTL (s)  8 history TTL (s)  9 what is appended, as the feed says it
--       10.. names and values of the fields of its log's only entry
-- Reply 'ok', or 'late' a second after the time of the request: it may have been sent again
local id = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 10))
${refuseLate({ sentAt: "ARGV[4]" })}
${KEEPING}
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', id, 'append', ARGV[9])
return 'ok'
`);

/** Writes a whole execution. */
export const RECORD = defineScript(`
-- KEYS  1 meta  2 log  3 feed  4 result  5 values  6 work  7 idempotency record (any key when there is none); while
--       CLAIM_KEY's it has replyTo
-- ARGV  1 to 9 as in RECORD_PLAIN  10 how many may be queued or run, or '': they are not counted now
--       11 '1' when it may have been sent before; else it is refused as 'late' a second after the time of the request
--       12 fingerprint, or ''  13 its TTL (s)  14 trigger, under which a large output of its stands
--       then the entries, the request first, in the words of WRITING
-- Reply [what, how many were queued or run, or '', id]: 'ok'; 'existing' and the one that the key made; 'reused',
--       'full' or 'late' when refused. 'ok' again when it was sent before
${REQUESTING}
${WRITING}
local again, fingerprint, claimed = ARGV[11] == '1', ARGV[12], nil
if again and redis.call('EXISTS', KEYS[1]) == 1 then return {'ok', ''} end
if fingerprint ~= '' then
  local record = redis.call('HMGET', KEYS[7], 'execution', 'fingerprint', 'replyTo')
  claimed = record[3] and record[1] == ARGV[1]
  if record[1] and not claimed then
    -- It was written, and has expired.
    if record[1] == ARGV[1] then return {'ok', ''} end
    return record[2] == fingerprint and {'existing', '', record[1]} or {'reused'}
  end
end
local length = ''
if ARGV[10] ~= '' then
  length = redis.call('XLEN', KEYS[6])
  if length >= tonumber(ARGV[10]) then return {'full', length} end
end
local first, last, large, at
if ARGV[15] == '' then
  large = ARGV[20] ~= ''
  first = begin(KEYS[2], KEYS[5], ARGV[14], ARGV[19], large and ARGV[20] or nil, ARGV[4], again)
  last, at = first, 21
else
  first, last, at = addSeveral(KEYS[2], 15, true)
  if isLate(KEYS[2], first, ARGV[4], again) then first = nil end
end
if not first then return {'late', length} end
if at <= #ARGV then
  local _, lastOfAll, wrote = write(KEYS[2], KEYS[5], at, true)
  last, large = lastOfAll, large or wrote
end
-- The id of the last event is the time.
local now = string.match(last, '^%d+')
${KEEPING}
if large then redis.call('EXPIRE', KEYS[5], ARGV[8]) end
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', first, 'last', last, 'append', ARGV[9])
if fingerprint ~= '' then
  if claimed then redis.call('DEL', KEYS[7]) end
  redis.call('HSET', KEYS[7], 'execution', ARGV[1], 'fingerprint', fingerprint)
  redis.call('EXPIRE', KEYS[7], ARGV[13])
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
  };
  /** The idempotency record, where there is a key. */
  readonly record?: string;
  /** The execution. */
  readonly executionId: string;
  /** Its workflow. */
  readonly workflowId: string;
  /** The version that it ran. */
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
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
  /** What is appended, as the feed says it. */
  readonly append: string;
  /** The entries, the request first, in the words of `WRITING`. */
  readonly words: readonly string[];
  /** The same as names and values of the fields of the only entry, where there is one with several events. */
  readonly fields: readonly string[] | undefined;
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
export function recordExecution(
  connection: RedisConnection,
  options: RecordOptions,
  { again, queueLimit }: { again: boolean; queueLimit: number | undefined },
): Promise<RecordReply> {
  const { keys, fingerprint, words, fields } = options;
  const names = [keys.meta, keys.log, keys.feed, keys.result];
  const args: Command = [
    options.executionId,
    options.workflowId,
    String(options.version),
    String(options.requestedAt),
    options.status,
    options.result,
    String(options.resultTtlSeconds),
    String(options.historyTtlSeconds),
    options.append,
  ];
  const isNew = !again && queueLimit === undefined && fingerprint === "";
  if (isNew && fields !== undefined) {
    const plain = { keys: names, args: args.concat(fields) };
    return runScript<"ok" | "late">(connection, RECORD_PLAIN, plain).then((what) => ({ what, executionIds: [] }));
  }
  const limit = queueLimit === undefined ? "" : String(queueLimit);
  args.push(limit, again ? "1" : "", fingerprint, String(options.recordTtlSeconds), options.trigger);
  return runScript<[RecordReply["what"], number | "", ...string[]]>(connection, RECORD, {
    keys: [...names, keys.values, keys.work, options.record ?? keys.work],
    args: args.concat(words),
  }).then(([what, length = "", ...executionIds]) => ({ what, executionIds, ...(length === "" ? {} : { length }) }));
}
