/**
 * Lua functions that the scripts of sessions share; each script is sent with a copy of what it uses.
 */
import { MICROSECONDS } from "./time_library.ts";

/** Reading what stands in front of a document's data, and the next version. */
export const SESSION_LIBRARY = `${MICROSECONDS}
-- How a document that is a string begins: version, createdAt, updatedAt, ttlMs
local HEAD = '^{"version":(%d+),"createdAt":(%d+),"updatedAt":(%d+),"ttlMs":(%d+)'
-- What a document says of itself; nothing when there is none.
local function head(key, json)
  if json then
    local text = redis.call('JSON.GET', key, 'version', 'createdAt', 'updatedAt', 'ttlMs', 'bytes', 'sealed')
    return text and cjson.decode(text)
  end
  local text = redis.call('GETRANGE', key, 0, 200)
  if text == '' then return nil end
  local version, createdAt, updatedAt, ttlMs = string.match(text, HEAD)
  return {version = tonumber(version), createdAt = tonumber(createdAt), updatedAt = tonumber(updatedAt), ttlMs = tonumber(ttlMs)}
end
-- Whether a condition holds: '' any, '*' something is there, 'none' nothing is, or a version.
local function holds(condition, found)
  if condition == '' then return true end
  if condition == 'none' then return not found end
  return found and (condition == '*' or tonumber(condition) == found.version) or false
end
`;
