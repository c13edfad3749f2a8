/**
 * The scripts of the log: each is one round trip, may be sent twice, and takes its time from Redis.
 *
 * Where a script finds executions by itself (a slot that frees, a timer that is due), it makes their keys' names from
 * the base that {@linkcode Keys.base} gives: all of them lie in the partition of its KEYS.
 */
import { defineScript } from "../../redis/script.ts";
import { ADMISSION, LIBRARY } from "./script_library.ts";

/** Appends `execution.requested` and puts the execution on the work stream, or into its workflow's queue. */
export const REQUEST = defineScript(`
-- KEYS  1 meta  2 log  3 work  4 feed
--       and where slots or a key are at stake:  5 timers  6 slots  7 waiting  8 idempotency record
--       and at the last: values
-- ARGV  1 execution id  2 workflow  3 version  4 trigger  5 data of execution.requested (JSON)
--       6 instance to reply to, or ''  7 '1' to reply early  8 trigger's output (JSON)
--       9 result TTL (s)  10 history TTL (s)  11 timeout (ms)  12 how many may be queued or run
--       and with KEYS 5 to 8:  13 slots, or ''  14 on overlap  15 fingerprint, or ''  16 its TTL (s)  17 base
--       and at the last: '1' when ARGV 8 is large: it does not travel with the work, and stands beside the log
-- Reply [what, id..]: 'ok' and the executions to be cancelled for this one; 'existing' and the one that the key made;
--       'reused', 'full' or 'rejected' when refused. 'ok' again when it was sent before
${LIBRARY}
${ADMISSION}
local function inTheWay(limit)
  local ids = redis.call('ZRANGE', KEYS[7], 0, -1)
  local slots = redis.call('ZRANGE', KEYS[6], 0, -1)
  table.sort(slots)
  for i = 1, #slots - limit + 1 do ids[#ids + 1] = slots[i] end
  local older = {'ok'}
  for _, id in ipairs(ids) do if id < ARGV[1] then older[#older + 1] = id end end
  return older
end
local rich, large = #KEYS > 5, ARGV[#ARGV] == '1'
local limit = rich and tonumber(ARGV[13]) or nil
local known = redis.call('HMGET', KEYS[1], 'requestedAt', 'queued')
if known[1] then
  if known[2] == '1' and ARGV[14] == 'cancelPrevious' then return inTheWay(limit) end
  return {'ok'}
end
local idempotent = rich and ARGV[15] ~= ''
if idempotent then
  local record = redis.call('HMGET', KEYS[8], 'execution', 'fingerprint')
  if record[1] and record[1] ~= ARGV[1] then
    return record[2] == ARGV[15] and {'existing', record[1]} or {'reused'}
  end
end
if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[12]) then return {'full'} end
local nowMs = clock()
local now = ms(nowMs)
local deadline = ms(nowMs + ARGV[11])
local admitted = true
if limit then
  admit(ARGV[17], ARGV[2], nowMs)
  local waiting = redis.call('ZCARD', KEYS[7])
  admitted = waiting == 0 and redis.call('ZCARD', KEYS[6]) < limit
  if not admitted and ARGV[14] == 'reject' then return {'rejected'} end
  if waiting >= tonumber(ARGV[12]) then return {'full'} end
end
local id
if large then
  redis.call('HSET', KEYS[#KEYS], ARGV[4], ARGV[8])
  id = redis.call('XADD', KEYS[2], '*', 'type', 'execution.requested', 'time', now, 'data', ARGV[5],
    'value', 'input', 'bytes', #ARGV[8])
else
  id = redis.call('XADD', KEYS[2], '*', 'type', 'execution.requested', 'time', now, 'data', ARGV[5])
end
local entry = ''
if admitted then
  local work = {'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'epoch', '1', 'at', now}
  if ARGV[6] ~= '' then work[#work + 1] = 'replyTo'; work[#work + 1] = ARGV[6] end
  if ARGV[7] == '1' then work[#work + 1] = 'early'; work[#work + 1] = '1' end
  if limit then work[#work + 1] = 'limited'; work[#work + 1] = '1' end
  if not large then work[#work + 1] = 'input'; work[#work + 1] = ARGV[8] end
  entry = redis.call('XADD', KEYS[3], '*', unpack(work))
end
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'status', 'pending',
  'epoch', '1', 'sequence', '1', 'requestedAt', now, 'deadline', deadline, 'entry', entry, 'replyTo', ARGV[6],
  'early', ARGV[7], 'resultTtl', ARGV[9], 'historyTtl', ARGV[10],
  'bytes', #ARGV[5] + (large and #ARGV[8] or 0), 'values', large and '1' or '')
redis.call('XADD', KEYS[4], '*', 'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3],
  'first', id, 'last', id, 'types', 'execution.requested')
if idempotent then
  redis.call('HSET', KEYS[8], 'execution', ARGV[1], 'fingerprint', ARGV[15])
  redis.call('EXPIRE', KEYS[8], ARGV[16])
end
if not limit then return {'ok'} end
redis.call('HSET', KEYS[1], 'limited', ARGV[13])
if admitted then
  redis.call('ZADD', KEYS[6], nowMs + SLOT_MS, ARGV[1])
  return {'ok'}
end
redis.call('HSET', KEYS[1], 'queued', '1')
redis.call('ZADD', KEYS[7], 0, ARGV[1])
redis.call('ZADD', KEYS[5], deadline, ARGV[1])
redis.call('ZADD', KEYS[5], 'NX', nowMs + SLOT_MS, 'admit:' .. ARGV[2])
return ARGV[14] == 'cancelPrevious' and inTheWay(limit) or {'ok'}
`);

const APPEND_SOURCE = `
-- KEYS  1 meta  2 log  3 feed  4 work  5 result  6 inbox (any key when there is no reply)
-- ARGV  1 execution id  2 epoch, or 'cancel' to end it whoever holds it  3 events that claims must have appended so far
--       4 types of the events, by comma  5 reply: '' none, 'early' ARGV 7 now, 'result' ARGV 7, 'stored' a reference
--       6 '' to go on, 'park', 'pause' (park if it is still paused), or the terminal status
--       7 result (JSON or gzip); with 'park' and 'pause' the delay (ms)  8 base  9 group
--       10 token of the claim that writes  11 '' or why this is a dead letter (JSON)  12 bytes that the log may have
--       13.. type, time, node or '', data (JSON), '' or the large output that stands beside it (JSON) of each event
-- Reply 'ok', 'paused' (done, and the execution is paused) or 'parked', also when this very append was made before;
--       'resumed' when there was no more reason to pause; 'gone', 'ended', 'fenced', 'sequence', 'limit' or
--       'eventless' when refused
${LIBRARY}
${ADMISSION}
local m = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'status', 'workflow', 'version', 'requestedAt', 'entry',
  'writer', 'paused', 'resultTtl', 'historyTtl', 'limited', 'deadline', 'deliveries', 'bytes', 'values')
if not m[1] then return 'gone' end
local sequence, entry, paused = tonumber(m[2]), m[7], m[9] == '1'
local count = (#ARGV - 12) / 5
local parks = ARGV[6] == 'park' or ARGV[6] == 'pause'
if count == 0 and ARGV[6] ~= '' and not parks then return 'eventless' end
if ARGV[2] == 'cancel' then
  if ENDED[m[3]] then return 'ended' end
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
else
  if m[1] ~= ARGV[2] then return ENDED[m[3]] and 'ended' or 'fenced' end
  if count > 0 and sequence == tonumber(ARGV[3]) + count and m[8] == ARGV[10] then
    return parks and 'parked' or paused and 'paused' or 'ok'
  end
  if ENDED[m[3]] then return 'ended' end
  if sequence ~= tonumber(ARGV[3]) then return 'sequence' end
  if entry == '' then return parks and count == 0 and 'parked' or 'fenced' end
  if ARGV[6] == 'pause' and not paused then return 'resumed' end
end
local bytes, values = tonumber(m[15] or 0), m[16] == '1'
for i = 13, #ARGV, 5 do bytes = bytes + #ARGV[i + 3] + #ARGV[i + 4] end
-- A terminal event alone always fits.
if bytes > tonumber(ARGV[12]) and count > 0 and not (count == 1 and ENDED[ARGV[6]]) then return 'limit' end
local first, last
for i = 13, #ARGV, 5 do
  if ARGV[i + 4] ~= '' then
    redis.call('HSET', ARGV[8] .. 'values:' .. ARGV[1], ARGV[i + 2], ARGV[i + 4])
    values = true
    last = redis.call('XADD', KEYS[2], '*', 'type', ARGV[i], 'time', ARGV[i + 1], 'node', ARGV[i + 2], 'data', ARGV[i + 3],
      'value', 'output', 'bytes', #ARGV[i + 4])
  elseif ARGV[i + 2] == '' then
    last = redis.call('XADD', KEYS[2], '*', 'type', ARGV[i], 'time', ARGV[i + 1], 'data', ARGV[i + 3])
  else
    last = redis.call('XADD', KEYS[2], '*', 'type', ARGV[i], 'time', ARGV[i + 1], 'node', ARGV[i + 2], 'data', ARGV[i + 3])
  end
  first = first or last
end
if ARGV[5] == 'stored' then
  redis.call('XADD', KEYS[6], 'NOMKSTREAM', '*', 'execution', ARGV[1], 'stored', '1')
elseif ARGV[5] ~= '' then
  redis.call('XADD', KEYS[6], 'NOMKSTREAM', '*', 'execution', ARGV[1], 'result', ARGV[7])
  -- Kept for a caller whose inbox was lost; at the end there is the result.
  if ARGV[5] == 'early' then redis.call('HSET', KEYS[1], 'reply', ARGV[7]) end
end
if ARGV[6] == '' or parks then
  if count > 0 then
    redis.call('HSET', KEYS[1], 'sequence', sequence + count, 'status', paused and 'paused' or 'running', 'writer', ARGV[10],
      'bytes', bytes, 'values', values and '1' or '')
    redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', m[4], 'version', m[5],
      'first', first, 'last', last, 'types', ARGV[4])
    if m[14] and string.find(ARGV[4], 'node.completed', 1, true) then redis.call('HDEL', KEYS[1], 'deliveries', 'waits') end
  end
  if not parks then return paused and 'paused' or 'ok' end
  drop(KEYS[4], ARGV[9], entry)
  redis.call('HSET', KEYS[1], 'entry', '')
  redis.call('ZADD', ARGV[8] .. 'timers', math.min(clock() + ARGV[7], tonumber(m[13])), ARGV[1])
  return 'parked'
end
local nowMs = clock()
local now = ms(nowMs)
redis.call('HSET', KEYS[1], 'sequence', sequence + count, 'status', ARGV[6], 'endedAt', now, 'writer', ARGV[10])
redis.call('HDEL', KEYS[1], 'reply')
redis.call('EXPIRE', KEYS[1], m[11])
redis.call('EXPIRE', KEYS[2], m[11])
if values then redis.call('EXPIRE', ARGV[8] .. 'values:' .. ARGV[1], m[11]) end
redis.call('SET', KEYS[5], ARGV[7], 'EX', m[10])
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', m[4], 'version', m[5],
  'first', first, 'last', last, 'types', ARGV[4],
  'status', ARGV[6], 'requestedAt', m[6], 'endedAt', now, 'keptUntil', ms(nowMs + m[11] * 1000))
if entry == '' then redis.call('ZREM', ARGV[8] .. 'timers', ARGV[1]) else drop(KEYS[4], ARGV[9], entry) end
if m[12] then
  redis.call('ZREM', ARGV[8] .. 'slots:' .. m[4], ARGV[1])
  redis.call('ZREM', ARGV[8] .. 'waiting:' .. m[4], ARGV[1])
  admit(ARGV[8], m[4], nowMs)
end
if ARGV[11] ~= '' then
  local letters, letter = ARGV[8] .. 'dead-letters', ARGV[8] .. 'dead:' .. ARGV[1]
  local request = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][2]
  local trigger = redis.call('HGET', KEYS[1], 'trigger')
  redis.call('HSET', letter, 'workflow', m[4], 'version', m[5], 'trigger', trigger, 'requestedAt', m[6], 'diedAt', now,
    'deliveries', m[14] or '0', 'error', ARGV[11], 'request', request[6])
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

/** Appends events under the fence; it may also park the execution, or end it: result, reply, acknowledgement. */
export const APPEND = defineScript(APPEND_SOURCE);

/** The same for what parks or ends an execution: a server that is full takes it, since it makes room. */
export const APPEND_LAST = defineScript(APPEND_SOURCE, { allowOom: true });

/** Lets no further node start, or lets them start again. */
export const PAUSE = defineScript(
  `
-- KEYS  1 meta  2 log  3 feed  4 work  5 timers
-- ARGV  1 execution id  2 'paused' or 'resumed'  3 group  4 base
-- Reply 'done', 'unchanged', 'ended' or 'unknown'
${LIBRARY}
local m = redis.call('HMGET', KEYS[1], 'status', 'paused', 'entry', 'queued', 'deadline', 'workflow', 'version')
if not m[1] then return 'unknown' end
if ENDED[m[1]] then return 'ended' end
local pause = ARGV[2] == 'paused'
if pause == (m[2] == '1') then return 'unchanged' end
local type = 'execution.' .. ARGV[2]
local id = redis.call('XADD', KEYS[2], '*', 'type', type, 'time', ms(clock()), 'data', '{}')
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', m[6], 'version', m[7],
  'first', id, 'last', id, 'types', type)
redis.call('HSET', KEYS[1], 'paused', pause and '1' or '', 'status', pause and 'paused' or 'running')
if pause then
  -- What no worker has been given yet is taken back; a worker that has it is told.
  if m[3] ~= '' and not holder(KEYS[4], ARGV[3], m[3]) then
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

/** Puts what is due back on the work stream. */
export const WAKE = defineScript(
  `
-- KEYS  1 timers
-- ARGV  1 how many at most  2 base
-- Reply [how many were due, milliseconds until the next one, or '']
${LIBRARY}
${ADMISSION}
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  redis.call('ZREM', KEYS[1], member)
  if string.sub(member, 1, 6) == 'admit:' then
    local workflow = string.sub(member, 7)
    admit(ARGV[2], workflow, now)
    if redis.call('ZCARD', ARGV[2] .. 'waiting:' .. workflow) > 0 then
      redis.call('ZADD', KEYS[1], now + SLOT_MS, member)
    end
  else
    local m = redis.call('HMGET', ARGV[2] .. 'meta:' .. member, 'status', 'entry', 'paused', 'deadline', 'queued', 'workflow')
    if m[1] and not ENDED[m[1]] and m[2] == '' then
      if m[3] == '1' and now < tonumber(m[4]) then
        redis.call('ZADD', KEYS[1], m[4], member)
      else
        -- One that still waits for a slot has reached its deadline: a worker ends it.
        if m[5] == '1' then redis.call('ZREM', ARGV[2] .. 'waiting:' .. m[6], member) end
        requeue(ARGV[2], member)
        if m[5] == '1' then admit(ARGV[2], m[6], now) end
      end
    end
  end
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {#due, next and ms(math.max(0, next - now)) or ''}
`,
  { allowOom: true },
);
