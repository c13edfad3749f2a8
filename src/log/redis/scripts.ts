/**
 * The scripts of the log: each is one round trip, may be sent twice, and takes its time from Redis.
 */
import { defineScript } from "../../redis/script.ts";

/** Appends `execution.requested` and puts the execution on the work stream. */
export const REQUEST = defineScript(`
-- KEYS  1 meta  2 log  3 work  4 feed
-- ARGV  1 execution id  2 workflow  3 version  4 trigger  5 data of execution.requested (JSON)
--       6 instance to reply to, or ''  7 '1' to reply early  8 trigger's output (JSON) to travel with the work, or ''
--       9 result TTL (s)  10 history TTL (s)
-- Reply the time of the request (ms); the same again when it was sent before
local known = redis.call('HGET', KEYS[1], 'requestedAt')
if known then return known end
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local id = redis.call('XADD', KEYS[2], '*', 'type', 'execution.requested', 'time', now, 'data', ARGV[5])
local work = {'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'epoch', '1', 'at', now}
if ARGV[6] ~= '' then work[#work + 1] = 'replyTo'; work[#work + 1] = ARGV[6] end
if ARGV[7] == '1' then work[#work + 1] = 'early'; work[#work + 1] = '1' end
if ARGV[8] ~= '' then work[#work + 1] = 'input'; work[#work + 1] = ARGV[8] end
local entry = redis.call('XADD', KEYS[3], '*', unpack(work))
redis.call('HSET', KEYS[1], 'workflow', ARGV[2], 'version', ARGV[3], 'trigger', ARGV[4], 'status', 'pending',
  'epoch', '1', 'sequence', '1', 'requestedAt', now, 'entry', entry, 'replyTo', ARGV[6], 'early', ARGV[7],
  'resultTtl', ARGV[9], 'historyTtl', ARGV[10])
redis.call('XADD', KEYS[4], '*', 'execution', ARGV[1], 'workflow', ARGV[2], 'version', ARGV[3],
  'first', id, 'last', id, 'types', 'execution.requested')
return now
`);

/** Appends events under the fence; with a terminal status it also stores the result, replies and acknowledges. */
export const APPEND = defineScript(`
-- KEYS  1 meta  2 log  3 feed  4 work  5 result  6 inbox (any key when there is no reply)
-- ARGV  1 execution id  2 epoch, or 'cancel' to end it whoever holds it  3 entries that the log must have
--       4 types of the events, by comma  5 reply: '' none, 'early' ARGV 7 now, 'result' ARGV 7, 'stored' a reference
--       6 terminal status, or ''  7 result (JSON or gzip)  8 result TTL (s)  9 history TTL (s)  10 group
--       11.. type, time, node or '', data (JSON) of each event
-- Reply 'ok', also when this very append was made before; 'gone', 'ended', 'fenced' or 'sequence' when refused
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'status', 'workflow', 'version', 'requestedAt', 'entry')
if not meta[1] then return 'gone' end
local epoch, sequence, status = meta[1], tonumber(meta[2]), meta[3]
local count = (#ARGV - 10) / 4
local ended = status == 'completed' or status == 'failed' or status == 'cancelled'
if ARGV[2] == 'cancel' then
  if ended then return 'ended' end
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
else
  if epoch ~= ARGV[2] then return ended and 'ended' or 'fenced' end
  if count > 0 and sequence == tonumber(ARGV[3]) + count then return 'ok' end
  if ended then return 'ended' end
  if sequence ~= tonumber(ARGV[3]) then return 'sequence' end
end
local first, last
for i = 11, #ARGV, 4 do
  if ARGV[i + 2] == '' then
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
end
if ARGV[6] == '' then
  if count > 0 then
    redis.call('HSET', KEYS[1], 'sequence', sequence + count, 'status', 'running')
    redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', meta[4], 'version', meta[5],
      'first', first, 'last', last, 'types', ARGV[4])
  end
  return 'ok'
end
local t = redis.call('TIME')
local nowMs = t[1] * 1000 + math.floor(t[2] / 1000)
local now = string.format('%.0f', nowMs)
local kept = string.format('%.0f', nowMs + tonumber(ARGV[9]) * 1000)
redis.call('HSET', KEYS[1], 'sequence', sequence + count, 'status', ARGV[6], 'endedAt', now)
redis.call('EXPIRE', KEYS[1], ARGV[9])
redis.call('EXPIRE', KEYS[2], ARGV[9])
redis.call('SET', KEYS[5], ARGV[7], 'EX', ARGV[8])
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'workflow', meta[4], 'version', meta[5],
  'first', first, 'last', last, 'types', ARGV[4],
  'status', ARGV[6], 'requestedAt', meta[6], 'endedAt', now, 'keptUntil', kept)
redis.call('XACK', KEYS[4], ARGV[10], meta[7])
redis.call('XDEL', KEYS[4], meta[7])
return 'ok'
`);

/** Keeps the leases of what this worker runs, and takes over what nobody has kept. */
export const LEASE = defineScript(`
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3 lease (ms)  4 how many to take over at most  5.. entries that this consumer runs
-- Reply [entries that are no longer its own, entries taken over (with their fields)]
local lost = {}
for i = 5, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if #pending == 1 and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
local taken = {}
if tonumber(ARGV[4]) > 0 then
  taken = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], '0-0', 'COUNT', ARGV[4])[2]
end
return {lost, taken}
`);

/** Raises the epoch of an execution that is claimed again. */
export const CLAIM = defineScript(`
-- KEYS  1 meta  2 work
-- ARGV  1 group  2 work entry
-- Reply the new epoch; '' when the execution has ended or is gone, and then its work entry is dropped
local meta = redis.call('HMGET', KEYS[1], 'status', 'entry')
local status = meta[1]
if not status or status == 'completed' or status == 'failed' or status == 'cancelled' or meta[2] ~= ARGV[2] then
  redis.call('XACK', KEYS[2], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[2], ARGV[2])
  return ''
end
return tostring(redis.call('HINCRBY', KEYS[1], 'epoch', 1))
`);
