/**
 * Appends to a log, and suspends or ends its execution in the same step.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { ADMISSION } from "./admission_library.ts";
import { HANDING_OUT, LIBRARY, WRITING } from "./script_library.ts";

/**
 * The script, over what an `external` append (see `report.ts`) does before; that replaces ARGV, sets the flag `external`
 * and may return by itself.
 */
export const appendSource = (before: string) => `
-- KEYS  1 meta  2 log  3 feed  4 work  5 result  6 inbox (any key when there is no reply)
-- ARGV  1 execution id  2 epoch, 'cancel' to end it whoever holds it, or 'lapsed' to end it when it is past its deadline
--       and nobody holds it  3 events that claims must have appended so far; with 'lapsed' how long a lease lives (ms)
--       4 types of the events, by comma  5 reply: '' none, 'early' ARGV 7 now, 'kept' the same without the inbox,
--       'result' ARGV 7, 'stored' a reference
--       6 '' to go on, 'suspend', 'pause' (suspend if it is still paused), or the terminal status
--       7 result (JSON or gzip); with 'suspend' and 'pause' the delay (ms)  8 base  9 group
--       10 token of the claim that writes  11 '' or why this is a dead letter (JSON)  12 bytes that the log may have
--       13 how many events they are
--       14.. the entries, in the words of WRITING
-- Reply 'ok', 'paused' (done, and the execution is paused) or 'suspended', also when this very append was made before;
--       'resumed' when there was no more reason to pause; 'gone', 'ended', 'fenced', 'sequence', 'limit',
--       'eventless', 'early' or 'leased' when refused
${LIBRARY}
${before}
${WRITING}
local m = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'status', 'workflow', 'version', 'requestedAt', 'entry', 'paused',
  'bytes', 'values', 'plain')
if not m[1] then return 'gone' end
-- What only some appends need is read by itself: each field that a script reads costs as much as a small command.
local function more(field) return redis.call('HGET', KEYS[1], field) end
local sequence, entry, paused = tonumber(m[2]), m[7], m[8] == '1'
local count = tonumber(ARGV[13])
local suspends = ARGV[6] == 'suspend' or ARGV[6] == 'pause'
if count == 0 and ARGV[6] ~= '' and not suspends then return 'eventless' end
if ARGV[2] == 'cancel' or ARGV[2] == 'lapsed' then
  if ENDED[m[3]] then return 'ended' end
  if ARGV[2] == 'lapsed' then
    local now = clock()
    if now <= tonumber(more('deadline')) then return 'early' end
    local lease = redis.call('ZSCORE', ARGV[8] .. 'external:' .. m[4], ARGV[1])
    local timer = redis.call('ZSCORE', ARGV[8] .. 'timers', ARGV[1])
    if lease and tonumber(lease) > now or timer and tonumber(timer) > now then return 'leased' end
    local held = entry ~= '' and redis.pcall('XPENDING', KEYS[4], ARGV[9], entry, entry, 1) or {}
    if not held.err and held[1] and held[1][3] < tonumber(ARGV[3]) then return 'leased' end
  end
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
else
  if m[1] ~= ARGV[2] then return ENDED[m[3]] and 'ended' or 'fenced' end
  if count > 0 and sequence == tonumber(ARGV[3]) + count and more('writer') == ARGV[10] then
    return suspends and 'suspended' or paused and 'paused' or 'ok'
  end
  if ENDED[m[3]] then return 'ended' end
  if sequence ~= tonumber(ARGV[3]) then return 'sequence' end
  if entry == '' and not external then return suspends and count == 0 and 'suspended' or 'fenced' end
  if ARGV[6] == 'pause' and not paused then return 'resumed' end
end
local bytes, values = tonumber(m[9] or 0), m[10] == '1'
for i = 14, #ARGV do bytes = bytes + #ARGV[i] end
-- A terminal event alone always fits.
if bytes > tonumber(ARGV[12]) and count > 0 and not (count == 1 and ENDED[ARGV[6]]) then return 'limit' end
local first, last, wrote = write(KEYS[2], ARGV[8] .. 'values:' .. ARGV[1], 14, ENDED[ARGV[6]])
values = values or wrote
if ARGV[5] == 'stored' then
  redis.call('XADD', KEYS[6], 'NOMKSTREAM', '*', 'execution', ARGV[1], 'stored', '1')
elseif ARGV[5] == 'early' or ARGV[5] == 'result' then
  redis.call('XADD', KEYS[6], 'NOMKSTREAM', '*', 'execution', ARGV[1], 'result', ARGV[7])
end
-- Kept for a caller whose reply was lost; at the end there is the result.
if ARGV[5] == 'early' or ARGV[5] == 'kept' then redis.call('HSET', KEYS[1], 'reply', ARGV[7]) end
if ARGV[6] == '' or suspends then
  if count > 0 then
    redis.call('HSET', KEYS[1], 'sequence', sequence + count, 'status', paused and 'paused' or 'running', 'writer', ARGV[10],
      'bytes', bytes, 'values', values and '1' or '')
    redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', first, 'last', last,
      'append', m[4] .. ' ' .. m[5] .. ' ' .. ARGV[4])
    if string.find(ARGV[4], 'node.completed', 1, true) then redis.call('HDEL', KEYS[1], 'deliveries', 'waits') end
  end
  if not suspends then return paused and 'paused' or 'ok' end
  if entry ~= LOCAL then drop(KEYS[4], ARGV[9], entry) end
  redis.call('HSET', KEYS[1], 'entry', '')
  redis.call('ZADD', ARGV[8] .. 'timers', math.min(clock() + ARGV[7], tonumber(more('deadline'))), ARGV[1])
  return 'suspended'
end
-- The id of the last event is the time.
local now = string.match(last, '^%d+')
local nowMs = tonumber(now)
local resultTtl, historyTtl = string.match(m[11] or '', '^(%d+) (%d+)$')
local o = resultTtl and {} or redis.call('HMGET', KEYS[1], 'resultTtl', 'historyTtl', 'limited', 'lock', 'early', 'external')
resultTtl, historyTtl = resultTtl or o[1], historyTtl or o[2]
redis.call('HSET', KEYS[1], 'sequence', sequence + count, 'status', ARGV[6], 'endedAt', now, 'writer', ARGV[10])
if o[5] == '1' then redis.call('HDEL', KEYS[1], 'reply') end
redis.call('EXPIRE', KEYS[1], historyTtl)
redis.call('EXPIRE', KEYS[2], historyTtl)
if values then redis.call('EXPIRE', ARGV[8] .. 'values:' .. ARGV[1], historyTtl) end
redis.call('SET', KEYS[5], ARGV[7], 'EX', resultTtl)
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', first, 'last', last,
  'append', table.concat({m[4], m[5], ARGV[4], ARGV[6], m[6], historyTtl}, ' '))
-- What waits has a timer, and what its own instance runs a lease there.
if entry == '' or entry == LOCAL then redis.call('ZREM', ARGV[8] .. 'timers', ARGV[1]) else drop(KEYS[4], ARGV[9], entry) end
if o[6] then redis.call('ZREM', ARGV[8] .. 'external:' .. m[4], ARGV[1]) end
if o[3] or o[4] then
  ${HANDING_OUT}
  ${ADMISSION}
  leave(ARGV[8], groupsOf(m[4], o[3], o[4]), ARGV[1], nowMs)
end
if ARGV[11] ~= '' then
  local letters, letter = ARGV[8] .. 'dead-letters', ARGV[8] .. 'dead:' .. ARGV[1]
  local request = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][2]
  local trigger = redis.call('HGET', KEYS[1], 'trigger')
  redis.call('HSET', letter, 'workflow', m[4], 'version', m[5], 'trigger', trigger, 'requestedAt', m[6], 'diedAt', now,
    'deliveries', more('deliveries') or '0', 'error', ARGV[11], 'request', request[6])
  if request[7] == 'value' then
    redis.call('HSET', letter, 'input', redis.call('HGET', ARGV[8] .. 'values:' .. ARGV[1], trigger))
  end
  redis.call('ZADD', letters, 0, ARGV[1])
  for i = 1, redis.call('ZCARD', letters) - 1000 do
    redis.call('DEL', ARGV[8] .. 'dead:' .. redis.call('ZPOPMIN', letters)[1])
  end
end
return 'ok'
`;

/** Appends events under the fence; it may also suspend the execution, or end it: result, reply, acknowledgement. */
export const APPEND = defineScript(appendSource("local external = false"));

/** The same for what suspends or ends an execution: a server that is full takes it, since it makes room. */
export const APPEND_LAST = defineScript(appendSource("local external = false"), { allowOom: true });

/** What {@linkcode append} takes. */
export interface AppendScriptOptions {
  /** What the execution is kept under, and the feed and the queue of its partition. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly feed: string;
    readonly work: string;
    readonly result: string;
  };
  /** Where a reply goes; any key when there is none. */
  readonly inbox: string;
  /** The execution. */
  readonly executionId: string;
  /** The claim's epoch, or `cancel` to end the execution whoever holds it. */
  readonly epoch: string;
  /** How many events claims must have appended so far. */
  readonly sequence: string;
  /** The types of the events, by comma. */
  readonly types: string;
  /** What the caller gets, if anything: see ARGV 5. */
  readonly reply: "early" | "kept" | "result" | "stored" | "";
  /** `suspend`, `pause` or a terminal status; "" when the execution goes on. */
  readonly outcome: string;
  /** The result or the early reply; the delay in milliseconds when it is suspended. */
  readonly payload: string | Uint8Array;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** The token of the claim that writes. */
  readonly writer: string;
  /** Why it is a dead letter, as JSON, or "". */
  readonly deadLetter: string;
  /** The largest log of an execution. */
  readonly logLimitBytes: number;
  /** How many events they are. */
  readonly count: number;
  /** The entries, in the words of `WRITING`. */
  readonly words: readonly string[];
  /** Whether a full server takes it: for what suspends or ends, and is small. */
  readonly makesRoom: boolean;
}

/** What {@linkcode append} replies; see the script's head. */
export type AppendReply =
  | "ok"
  | "paused"
  | "suspended"
  | "resumed"
  | "gone"
  | "ended"
  | "fenced"
  | "sequence"
  | "limit"
  | "eventless"
  | "early"
  | "leased";

/** The arguments of the script. */
export function appendArgs(options: AppendScriptOptions): (string | Uint8Array)[] {
  return [
    options.executionId,
    options.epoch,
    options.sequence,
    options.types,
    options.reply,
    options.outcome,
    options.payload,
    options.base,
    options.group,
    options.writer,
    options.deadLetter,
    String(options.logLimitBytes),
    String(options.count),
    ...options.words,
  ];
}

/** Appends events under the fence. */
export function append(connection: RedisConnection, options: AppendScriptOptions): Promise<AppendReply> {
  const { keys } = options;
  return runScript<AppendReply>(connection, options.makesRoom ? APPEND_LAST : APPEND, {
    keys: [keys.meta, keys.log, keys.feed, keys.work, keys.result, options.inbox],
    args: appendArgs(options),
  });
}
