/**
 * Lua functions of the scripts that change a partition's indexes and counters; each script is sent with a copy.
 */
import { NUMBERS } from "./script_library.ts";

/** Gathers what goes out of indexes, and what is counted: a command a key and a command a counter, whatever it is of. */
export const INDEXING = `
${NUMBERS}
-- Members by key, for ZREM; false where there is nobody to be taken out, as is mostly so of the active.
local gone = {}
-- The list for a key; nil where there is nobody.
local function goneFrom(key)
  if gone[key] == nil then gone[key] = redis.call('EXISTS', key) == 1 and {} end
  return gone[key] or nil
end
-- By key of the daily counters, then by name.
local counters = {}
local function count(key, workflow, status, durationMs, bucket)
  local daily = counters[key] or {}
  local function add(name, number) daily[workflow .. name] = (daily[workflow .. name] or 0) + number end
  add(' ' .. status, 1)
  add(' durationMs', durationMs)
  add(' ' .. bucket, 1)
  counters[key] = daily
end
local function writeCounts(ttlSeconds)
  for key, daily in pairs(counters) do
    for name, number in pairs(daily) do redis.call('HINCRBY', key, name, ms(number)) end
    redis.call('EXPIRE', key, ttlSeconds)
  end
end
`;
