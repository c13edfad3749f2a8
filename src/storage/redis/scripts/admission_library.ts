/**
 * Lua functions of the scripts that let executions in; each script is sent with a copy. They need those of
 * `script_library.ts`.
 */

/**
 * What lets executions in, in groups: `<workflow>` has as many slots as its limit, and `<workflow>:<digest>`, the lock of
 * one value, has one. `slots:<group>` is a sorted set of executions scored with the end of their lease, `admission:<group>`
 * has those that wait, in the order of their UUIDv7, and `locked:<workflow>` all that wait for one of its locks. An
 * execution gets its lock first and then its slot, so none that waits for a value keeps a slot from others, and no two
 * wait for each other. What it has is freed by the script that ends it; the lease is for what no script saw end: when it
 * is over the execution itself is asked.
 */
export const ADMISSION = `
local SLOT_MS = 60000
-- The groups that an execution has to get into, in this order.
local function groupsOf(workflow, limit, lock)
  local groups = {}
  if lock then groups[1] = workflow .. ':' .. lock end
  if limit then groups[#groups + 1] = workflow end
  return groups
end
-- The workflow of a group, and the digest where it is a lock.
local function partsOf(group)
  local workflow, lock = string.match(group, '^([^:]*):(.*)$')
  return workflow or group, lock
end
local function queue(base, group, id, now)
  local workflow, lock = partsOf(group)
  redis.call('ZADD', base .. 'admission:' .. group, 0, id)
  if lock then redis.call('ZADD', base .. 'locked:' .. workflow, 0, id) end
  redis.call('ZADD', base .. 'timers', 'NX', now + SLOT_MS, 'admit:' .. group)
end
local function unqueue(base, group, id)
  local workflow, lock = partsOf(group)
  if redis.call('ZREM', base .. 'admission:' .. group, id) == 1 and lock then
    redis.call('ZREM', base .. 'locked:' .. workflow, id)
  end
end
-- Frees slots whose execution is over, and gives free ones to those that wait.
local function admit(base, group, now)
  local slots, admission = base .. 'slots:' .. group, base .. 'admission:' .. group
  local workflow, lock = partsOf(group)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', slots, '-inf', now, 'LIMIT', 0, 100)) do
    local status = redis.call('HGET', base .. 'meta:' .. id, 'status')
    if status and not ENDED[status] then redis.call('ZADD', slots, now + SLOT_MS, id)
    else redis.call('ZREM', slots, id) end
  end
  while true do
    local id = redis.call('ZRANGE', admission, 0, 0)[1]
    if not id then return end
    local m = redis.call('HMGET', base .. 'meta:' .. id, 'status', 'limited', 'paused')
    local over = not m[1] or ENDED[m[1]]
    if not over and redis.call('ZCARD', slots) >= (lock and 1 or tonumber(m[2])) then return end
    unqueue(base, group, id)
    if not over then
      redis.call('ZADD', slots, now + SLOT_MS, id)
      if lock and m[2] then
        queue(base, workflow, id, now)
        admit(base, workflow, now)
      elseif m[3] == '1' then redis.call('HSET', base .. 'meta:' .. id, 'inLine', '')
      else
        redis.call('ZREM', base .. 'timers', id)
        requeue(base, id)
      end
    end
  end
end
-- Gives up what an execution has in its groups, or its places in their lines, and lets others in.
local function leave(base, groups, id, now)
  for _, group in ipairs(groups) do
    redis.call('ZREM', base .. 'slots:' .. group, id)
    unqueue(base, group, id)
  end
  for _, group in ipairs(groups) do admit(base, group, now) end
end
`;

/** What a request needs with `cancelPrevious`. */
export const OVERLAP = `
-- Replies with what must end before an execution gets in: all of its lock, and of those with slots the oldest, as far as
-- too many stay.
local function inTheWay(base, groups, own, limit)
  local older, seen = {'ok', ''}, {}
  local function add(ids)
    for _, id in ipairs(ids) do
      if id < own and not seen[id] then older[#older + 1] = id; seen[id] = true end
    end
  end
  for _, group in ipairs(groups) do
    add(redis.call('ZRANGE', base .. 'admission:' .. group, 0, -1))
    local stay = {}
    for _, id in ipairs(redis.call('ZRANGE', base .. 'slots:' .. group, 0, -1)) do
      if not seen[id] then stay[#stay + 1] = id end
    end
    table.sort(stay)
    local _, lock = partsOf(group)
    for i = 1, #stay - (lock and 1 or limit) + 1 do add({stay[i]}) end
  end
  return older
end
`;
