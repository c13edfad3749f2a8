/**
 * The scripts of the log: each is one round trip, may be sent twice, and takes its time from Redis.
 *
 * Where a script finds executions by itself (a slot that frees, a timer that is due), it makes their keys' names from
 * the base that {@linkcode Keys.base} gives: all of them lie in the partition of its KEYS.
 */
import { defineScript } from "../connection/script.ts";
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
