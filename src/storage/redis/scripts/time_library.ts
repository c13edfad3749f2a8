/**
 * Lua functions of scripts that count microseconds; each script is sent with a copy of what it uses.
 */

/** Redis's time in microseconds, and a number as text to its last digit. */
export const MICROSECONDS = `
local function micros()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function digits(number)
  return string.format('%.0f', number)
end
`;

/** A sliding window: KEYS 1 is a sorted set of the calls in it, each its own time (microseconds). Needs MICROSECONDS. */
export const WINDOW = `
-- The time of a call, later than any before, and the length of the window (microseconds); removes calls that have left.
local function slide(lengthMs)
  local now, length = micros(), lengthMs * 1000
  local last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1)[1] or 0)
  -- The clock was far ahead: what was counted then means nothing.
  if last > now + length then redis.call('DEL', unpack(KEYS))
  elseif last >= now then now = last + 1 end
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', digits(now - length))
  return now, length
end
`;
