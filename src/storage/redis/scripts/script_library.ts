/**
 * Lua functions that several scripts share; each script is sent with a copy of what it uses.
 */
import type { Reply } from "../connection/connection.ts";

/** Numbers as words. */
export const NUMBERS = `
local function ms(number)
  return string.format('%.0f', number)
end
`;

/** Time, the work stream, and which states are final. */
export const LIBRARY = `
${NUMBERS}
local ENDED = {completed = true, failed = true, cancelled = true}
-- In \`entry\` of an execution that the instance which accepted it runs: it has no work entry, and its lease is in timers.
local LOCAL = 'local'
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- Acknowledges and deletes a work entry.
local function drop(work, group, entry)
  redis.call('XACK', work, group, entry)
  redis.call('XDEL', work, entry)
end
`;

/** Who has a work entry. */
export const HOLDING = `
-- The consumer that has a work entry; nil when nobody does, or the group is gone.
local function holder(work, group, entry)
  local pending = redis.pcall('XPENDING', work, group, entry, entry, 1)
  return not pending.err and pending[1] and pending[1][2] or nil
end
`;

/** Gives executions to those that run them. It needs {@linkcode LIBRARY}. */
export const HANDING_OUT = `
-- Lets an execution that another program runs be taken, if it is handed out at all, until its deadline.
local function handOut(base, id, workflow, external, deadline)
  if external == 'taken' then redis.call('ZADD', base .. 'external:' .. workflow, 'NX', 0, id) end
  redis.call('ZADD', base .. 'timers', deadline, id)
end
-- Puts an execution that no worker has back on the work stream, under a higher epoch; its input is read from the log.
-- One that another program runs comes there at its deadline only: a worker ends it.
local function requeue(base, id)
  local meta = base .. 'meta:' .. id
  local e = redis.call('HMGET', meta, 'external', 'deadline', 'workflow')
  if e[1] and clock() < tonumber(e[2]) then
    redis.call('HSET', meta, 'inLine', '')
    return handOut(base, id, e[3], e[1], e[2])
  end
  local m = redis.call('HMGET', meta, 'workflow', 'version', 'trigger', 'requestedAt', 'sequence', 'replyTo', 'early', 'paused',
    'deliveries')
  local words = {'execution', id, 'workflow', m[1], 'version', m[2], 'trigger', m[3], 'at', m[4], 'sequence', m[5],
    'epoch', redis.call('HINCRBY', meta, 'epoch', 1)}
  if e[1] then words[#words + 1] = 'external'; words[#words + 1] = '1' end
  if m[6] ~= '' then words[#words + 1] = 'replyTo'; words[#words + 1] = m[6] end
  if m[7] == '1' then words[#words + 1] = 'early'; words[#words + 1] = '1' end
  if m[8] == '1' then words[#words + 1] = 'paused'; words[#words + 1] = '1' end
  if m[9] then
    words[#words + 1] = 'lost'; words[#words + 1] = m[9]
    redis.call('HSET', meta, 'waits', '1')
  end
  redis.call('HSET', meta, 'inLine', '', 'entry', redis.call('XADD', base .. 'work', '*', unpack(words)))
end
`;

/** What came so long after it was sent is refused, in milliseconds: a link that was given up may still deliver. */
const LATE_MS = 1000;

/** Takes back the only entry that was appended to a log, so that nothing is left of it. */
const TAKING_BACK = `
  redis.call('XDEL', log, id)
  if redis.call('XLEN', log) == 0 then redis.call('DEL', log) end
`;

/** Takes back the log that a plain script has begun with \`id\`, where it comes late; else \`now\` is its time, as a word. */
export const refuseLate = ({ sentAt }: { sentAt: string }): string => `
-- The id of a log's first entry is the time, by Redis's clock.
local now = string.match(id, '^%d+')
if now - ${sentAt} > ${LATE_MS} then
  local log = KEYS[2]
  ${TAKING_BACK}
  return 'late'
end
`;

/** Begins a log. */
export const REQUESTING = `
-- Whether an entry that was just appended came a second after it was sent, and is no resend; then nothing is left of it. A
-- link that was given up may still deliver, and another sending may have come before.
local function isLate(log, id, sentAt, isResend)
  if isResend or string.match(id, '^%d+') - sentAt <= ${LATE_MS} then return false end
  ${TAKING_BACK}
  return true
end
-- Appends the request, whose trigger's output stands beside the log where it is large (nil where not). Returns its id;
-- nil when it came late.
local function begin(log, values, trigger, data, large, sentAt, isResend)
  local id
  if large then
    id = redis.call('XADD', log, '*', 'type', 'execution.requested', 'time', sentAt, 'data', data,
      'value', 'input', 'bytes', #large)
  else
    id = redis.call('XADD', log, '*', 'type', 'execution.requested', 'time', sentAt, 'data', data)
  end
  if isLate(log, id, sentAt, isResend) then return nil end
  if large then redis.call('HSET', values, trigger, large) end
  return id
end
`;

/**
 * Appends entries to a log. An entry is one event, in six words: '', type, time, node or '', data (JSON), '' or the large
 * value that stands beside it (JSON); or several events: how many, how many words follow, and names and values of the
 * entry's fields. Those have the entry's id and the ids after it.
 */
export const WRITING = `
-- Appends the events of ARGV[at] in one entry; where more may follow, their ids are taken. Returns those of the first and
-- the last, and where the next entry stands in ARGV.
local function addSeveral(log, at, hasEnded)
  local nextAt = at + 2 + ARGV[at + 1]
  local id = redis.call('XADD', log, '*', unpack(ARGV, at + 2, nextAt - 1))
  local time, nth = string.match(id, '(%d+)-(%d+)')
  local last = time .. '-' .. string.format('%d', nth + ARGV[at] - 1)
  if not hasEnded or nextAt <= #ARGV then redis.call('XSETID', log, last) end
  return id, last, nextAt
end
-- Appends the event of ARGV[at], and returns its id.
local function addOne(log, values, at)
  local node, large = ARGV[at + 3], ARGV[at + 5]
  if node == '' then return redis.call('XADD', log, '*', 'type', ARGV[at + 1], 'time', ARGV[at + 2], 'data', ARGV[at + 4]) end
  if large == '' then
    return redis.call('XADD', log, '*', 'type', ARGV[at + 1], 'time', ARGV[at + 2], 'node', node, 'data', ARGV[at + 4])
  end
  redis.call('HSET', values, node, large)
  return redis.call('XADD', log, '*', 'type', ARGV[at + 1], 'time', ARGV[at + 2], 'node', node, 'data', ARGV[at + 4],
    'value', 'output', 'bytes', #large)
end
-- Appends the entries from ARGV[at] on, after which an ended log has no more. Returns the ids of the first and of the last
-- event, and whether there were large values.
local function write(log, values, at, hasEnded)
  local first, last, wrote = nil, nil, false
  while at <= #ARGV do
    local id
    if ARGV[at] == '' then
      id = addOne(log, values, at)
      last = id
      wrote = wrote or ARGV[at + 5] ~= ''
      at = at + 6
    else
      id, last, at = addSeveral(log, at, hasEnded)
    end
    first = first or id
  end
  return first, last, wrote
end
`;

/**
 * Claims of what had another holder before. `deliveries` counts the claims that ended without a word since the last
 * progress; one with any is a suspect: it waits for its turn, and a claim that still waited ended nobody.
 */
export const CLAIMING = `
-- Raises the epoch of an entry's execution; drops the entry, and gives nothing, when there is nothing to claim.
local function claim(base, group, entry, counted)
  local id
  for i = 1, #entry[2], 2 do if entry[2][i] == 'execution' then id = entry[2][i + 1] end end
  local meta = base .. 'meta:' .. (id or '')
  local m = redis.call('HMGET', meta, 'status', 'entry', 'sequence', 'paused', 'deliveries', 'waits')
  if not m[1] or ENDED[m[1]] or m[2] ~= entry[1] then
    drop(base .. 'work', group, entry[1])
    return nil
  end
  local deliveries = tonumber(m[5] or '0')
  if counted and m[6] ~= '1' then deliveries = deliveries + 1 end
  if deliveries > 0 then redis.call('HSET', meta, 'deliveries', deliveries, 'waits', '1') end
  return {entry, tostring(redis.call('HINCRBY', meta, 'epoch', 1)), m[3], m[4] or '', tostring(deliveries)}
end
`;

/** What a claim replies: the work entry, and what its execution has become. */
export type ClaimRow = [
  entry: Reply,
  epoch: string,
  sequence: string,
  /** "1" when the execution is paused. */
  paused: string,
  /** How many claims ended without a word since the last progress. */
  deliveries: string,
];
