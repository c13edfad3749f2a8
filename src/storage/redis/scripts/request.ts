/**
 * Requests an execution.
 *
 * Like every script of the log it is one round trip, may be sent twice, and takes its time from Redis. Where a script
 * finds executions by itself (a slot that frees, a timer that is due), it makes their keys' names from `base`: all of
 * them lie in the partition of its KEYS.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { ADMISSION, OVERLAP } from "./admission_library.ts";
import type { RequestOptions, RequestReply, Sending } from "./request_options.ts";
import { isPlain, requestPlainly } from "./request_plain.ts";
import { HANDING_OUT, LIBRARY, REQUESTING } from "./script_library.ts";

const source = (admission: string) => `
-- KEYS  1 meta  2 log  3 work  4 feed  5 timers  6 values
--       and where slots, a lock or a key are at stake:  7 idempotency record; while CLAIM_KEY's it has replyTo
-- ARGV  1 execution id  2 workflow  3 version  4 trigger  5 data of execution.requested (JSON)
--       6 instance to reply to, or ''  7 '1' to reply early  8 '' or the trigger's output (JSON): it is large, does not
--       travel with the work, and stands beside the log  9 result TTL (s)  10 history TTL (s)  11 timeout (ms)
--       12 how many may be queued or run; without KEYS 7 it may be '': they are not counted now
--       13 time (ms)  14 '1' when it may have been sent before; else it is refused as 'late' a second after its time
--       15 lease (ms) under which the sender runs it, or '': it goes on the work stream
--       16 '' or, when another program runs it, 'taken' (it is handed out) or 'reported', then base
--       and with KEYS 7:  17 slots, or ''  18 on overlap  19 fingerprint, or ''  20 its TTL (s)  21 base
--       22 digest of the value of its lock, or ''
-- Reply [what, how many were queued or run before, or '', id..]: 'ok', or 'local' when the sender has the lease, and the
--       executions to be cancelled for this one; 'existing' and the one that the key made; 'reused', 'full', 'late'
--       or 'rejected' when refused. 'ok' or 'local' again when it was sent before
${LIBRARY}
${REQUESTING}
${admission}
local rich, large = #KEYS > 6, ARGV[8] ~= ''
local external, ownBase = string.match(ARGV[16], '^(%a+) (.*)$')
local limit = rich and tonumber(ARGV[17]) or nil
local lock = rich and ARGV[22] ~= '' and ARGV[22] or nil
local groups = groupsOf(ARGV[2], limit, lock)
local known = ARGV[14] == '1' and redis.call('HMGET', KEYS[1], 'requestedAt', 'inLine', 'entry', 'epoch') or {}
if known[1] then
  if ARGV[15] ~= '' and known[3] == LOCAL and known[4] == '1' then
    redis.call('ZADD', KEYS[5], clock() + ARGV[15], ARGV[1])
    return {'local', ''}
  end
  if known[2] == '1' and ARGV[18] == 'cancelPrevious' then return inTheWay(ARGV[21], groups, ARGV[1], limit) end
  return {'ok', ''}
end
local idempotent, claimed = rich and ARGV[19] ~= '', false
if idempotent then
  local record = redis.call('HMGET', KEYS[7], 'execution', 'fingerprint', 'replyTo')
  claimed = record[3] and record[1] == ARGV[1]
  -- One of this very id that is no claim: what it started has expired.
  if record[1] and not claimed then
    return record[2] == ARGV[19] and {'existing', '', record[1]} or {'reused'}
  end
end
local length = ''
if ARGV[12] ~= '' then
  length = redis.call('XLEN', KEYS[3])
  if length >= tonumber(ARGV[12]) then return {'full', length} end
end
local now, nowMs, into = ARGV[13], nil, 0
if #groups > 0 then
  nowMs = clock()
  local queued = lock and redis.call('ZCARD', ARGV[21] .. 'locked:' .. ARGV[2]) or 0
  for i, group in ipairs(groups) do
    admit(ARGV[21], group, nowMs)
    local ahead = redis.call('ZCARD', ARGV[21] .. 'admission:' .. group)
    local most = group == ARGV[2] and limit or 1
    if into == i - 1 and ahead == 0 and redis.call('ZCARD', ARGV[21] .. 'slots:' .. group) < most then into = i end
    if group == ARGV[2] then queued = queued + ahead end
  end
  if into < #groups and ARGV[18] == 'reject' then return {'rejected'} end
  if into < #groups and queued >= tonumber(ARGV[12]) then return {'full', length} end
end
local admitted = into == #groups
local id = begin(KEYS[2], KEYS[6], ARGV[4], ARGV[5], large and ARGV[8] or nil, now, ARGV[14] == '1')
if not id then return {'late', length} end
-- The id of a log's first entry is the time, by Redis's clock.
local deadline = ms(string.match(id, '^%d+') + ARGV[11])
local entry, done = '', 'ok'
if admitted and ARGV[15] ~= '' then
  entry, done = LOCAL, 'local'
  redis.call('ZADD', KEYS[5], string.match(id, '^%d+') + ARGV[15], ARGV[1])
elseif admitted and not external then
  local work = {'execution', ARGV[1], 'at', now}
  local function say(name, value) work[#work + 1] = name; work[#work + 1] = value end
  if ARGV[6] ~= '' then say('replyTo', ARGV[6]) end
  if ARGV[7] == '1' then say('early', '1') end
  if large then
    say('workflow', ARGV[2])
    say('version', ARGV[3])
    say('trigger', ARGV[4])
  else
    say('request', ARGV[5])
  end
  entry = redis.call('XADD', KEYS[3], '*', unpack(work))
end
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'status', 'pending',
  'epoch', '1', 'sequence', '1', 'requestedAt', now, 'deadline', deadline, 'entry', entry, 'replyTo', ARGV[6],
  'bytes', #ARGV[5] + #ARGV[8])
if ARGV[7] == '' and not (large or external or limit or lock) then
  redis.call('HSET', KEYS[1], 'plain', ARGV[9] .. ' ' .. ARGV[10])
else
  redis.call('HSET', KEYS[1], 'resultTtl', ARGV[9], 'historyTtl', ARGV[10])
end
if ARGV[7] == '1' then redis.call('HSET', KEYS[1], 'early', '1') end
if large then redis.call('HSET', KEYS[1], 'values', '1') end
redis.call('XADD', KEYS[4], '*', 'execution', ARGV[1], 'first', id,
  'append', ARGV[2] .. ' ' .. ARGV[3] .. ' execution.requested')
if idempotent then
  if claimed then redis.call('DEL', KEYS[7]) end
  redis.call('HSET', KEYS[7], 'execution', ARGV[1], 'fingerprint', ARGV[19])
  redis.call('EXPIRE', KEYS[7], ARGV[20])
end
if external then
  redis.call('HSET', KEYS[1], 'external', external)
  if admitted then
    ${HANDING_OUT}
    handOut(ownBase, ARGV[1], ARGV[2], external, deadline)
  end
end
if #groups == 0 then return {done, length} end
if limit then redis.call('HSET', KEYS[1], 'limited', ARGV[17]) end
if lock then redis.call('HSET', KEYS[1], 'lock', lock) end
for i = 1, into do redis.call('ZADD', ARGV[21] .. 'slots:' .. groups[i], nowMs + SLOT_MS, ARGV[1]) end
if admitted then return {done, length} end
redis.call('HSET', KEYS[1], 'inLine', '1')
redis.call('ZADD', KEYS[5], deadline, ARGV[1])
queue(ARGV[21], groups[into + 1], ARGV[1], nowMs)
return ARGV[18] == 'cancelPrevious' and inTheWay(ARGV[21], groups, ARGV[1], limit) or {'ok', length}
`;

/** Appends `execution.requested` and puts the execution on the work stream. */
export const REQUEST = defineScript(source("local function groupsOf() return {} end"));

/** The same where a key, slots or a lock are at stake: it may put the execution into its workflow's queue. */
export const REQUEST_ADMISSION = defineScript(source(HANDING_OUT + ADMISSION + OVERLAP));

/** Appends a request. */
export async function requestExecution(
  connection: RedisConnection,
  options: RequestOptions,
  { time, again, queueLimit, leaseMs }: Sending,
): Promise<RequestReply> {
  if (isPlain(options, { time, again, queueLimit, leaseMs })) {
    return await requestPlainly(connection, options, { time, leaseMs });
  }
  const { keys, admission } = options;
  const names = [keys.meta, keys.log, keys.work, keys.feed, keys.timers, keys.values];
  const args = [
    options.executionId,
    options.workflowId,
    String(options.version),
    options.trigger,
    options.data,
    options.replyTo,
    options.replyEarly ? "1" : "",
    options.input,
    String(options.resultTtlSeconds),
    String(options.historyTtlSeconds),
    String(options.timeoutMs),
    queueLimit === undefined ? "" : String(queueLimit),
    String(time),
    again ? "1" : "",
    leaseMs === undefined ? "" : String(leaseMs),
    options.external === undefined ? "" : `${options.external} ${options.base}`,
  ];
  if (admission !== undefined) {
    const { slots, lock = "", onOverlap, fingerprint, recordTtlSeconds, base } = admission;
    names.push(admission.keys.record);
    args.push(slots === undefined ? "" : String(slots), onOverlap, fingerprint, String(recordTtlSeconds), base, lock);
  }
  const [what, length = "", ...executionIds] = await runScript<[RequestReply["what"], number | "", ...string[]]>(
    connection,
    admission === undefined ? REQUEST : REQUEST_ADMISSION,
    { keys: names, args },
  );
  return { what, executionIds, ...(length === "" ? {} : { length }) };
}
