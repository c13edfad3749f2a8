/**
 * The Lua function that posts to a mailbox; each script is sent with a copy.
 */

/**
 * An entry has `data`, JSON text; `total`, the bytes of all entries that were ever posted to its stream, itself included:
 * the difference of two is what lies between them, so the bytes of a stream are known by its ends; and `before`, the id of
 * the entry before it, by which a reader sees that none is missing.
 */
export const MAILBOX_LIBRARY = `
-- Posts, and takes out what is older than the TTL (ms), or more than entries or bytes may be, oldest first.
local function post(stream, data, ttlMs, entries, bytes)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local total = (last and tonumber(last[2][4]) or 0) + #data
  local id = redis.call('XADD', stream, 'MAXLEN', '=', entries, '*', 'data', data, 'total', string.format('%.0f', total),
    'before', last and last[1] or '')
  local ms = tonumber(string.match(id, '^%d+'))
  redis.call('XTRIM', stream, 'MINID', '=', string.format('%.0f', math.max(0, ms - ttlMs)))
  while true do
    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    if total - tonumber(first[2][4]) + #first[2][2] <= tonumber(bytes) or first[1] == id then break end
    redis.call('XDEL', stream, first[1])
  end
  redis.call('PEXPIRE', stream, ttlMs)
  return id
end
`;
