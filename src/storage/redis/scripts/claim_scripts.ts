/**
 * The scripts of claims: keeping them, taking over what nobody keeps, beginning, handing back.
 */
import { defineScript } from "../connection/script.ts";
import { CLAIMING, LIBRARY } from "./script_library.ts";

/** Keeps the leases of what this worker has. */
export const RENEW = defineScript(
  `
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3.. entries that this consumer has
-- Reply entries that are no longer its own
${LIBRARY}
local lost = {}
for i = 3, #ARGV do
  local owner = holder(KEYS[1], ARGV[1], ARGV[i])
  -- Nobody's: the group was lost and made again. FORCE makes it this consumer's, unless the entry is gone.
  if not owner then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'FORCE', 'JUSTID') end
  if owner == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  elseif owner or #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 0 then
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
`,
  { allowOom: true },
);

/** Takes over what nobody has kept the lease of. */
export const TAKE_OVER = defineScript(
  `
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3 lease (ms)  4 how many at most  5 where to look on, '0-0' at first  6 base
-- Reply [claims as in CLAIM, how many entries were taken over, where to look on: '0-0' when all have been looked at]
${LIBRARY}
${CLAIMING}
local claims, taken, cursor = {}, 0, ARGV[5]
-- One round looks at ten entries for each that it may take: a long list is looked through over several calls.
local toLookAt = 1000
repeat
  local left = ARGV[4] - taken
  local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', left)
  cursor = found[1]
  toLookAt = toLookAt - 10 * left
  for _, entry in ipairs(found[2]) do
    taken = taken + 1
    claims[#claims + 1] = claim(ARGV[6], ARGV[1], entry, true)
  end
until cursor == '0-0' or taken >= tonumber(ARGV[4]) or toLookAt <= 0
return {claims, taken, cursor}
`,
  { allowOom: true },
);

/** Claims again what is this consumer's already: what it was handed over a link that broke. */
export const CLAIM = defineScript(
  `
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3 base  4 '1' when the claims before ended without a word  5.. entries
-- Reply [[entry, epoch, sequence, '1' if paused, claims that ended without a word nor progress]..], without entries
--       that are another's, and those whose execution has ended, is gone or has another entry, which are dropped
${LIBRARY}
${CLAIMING}
local claims = {}
for i = 5, #ARGV do
  if holder(KEYS[1], ARGV[1], ARGV[i]) == ARGV[2] then
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i])[1]
    if entry then claims[#claims + 1] = claim(ARGV[3], ARGV[1], entry, ARGV[4] == '1') end
  end
end
return claims
`,
  { allowOom: true },
);

/** Says that a suspect, which waited for its turn, begins. */
export const BEGIN = defineScript(
  `
-- KEYS  1 meta
-- ARGV  1 epoch
-- Reply 1, or 0 when the claim is no longer the newest
${LIBRARY}
local m = redis.call('HMGET', KEYS[1], 'epoch', 'status')
if m[1] ~= ARGV[1] or ENDED[m[2]] then return 0 end
redis.call('HDEL', KEYS[1], 'waits')
return 1
`,
  { allowOom: true },
);

/** Puts a claim back on the work stream, for another worker. */
export const REQUEUE = defineScript(
  `
-- KEYS  1 meta  2 work
-- ARGV  1 execution id  2 epoch  3 group  4 base
-- Reply 1, or 0 when the claim was no longer the newest
${LIBRARY}
local m = redis.call('HMGET', KEYS[1], 'epoch', 'status', 'entry', 'paused', 'deadline')
if m[1] ~= ARGV[2] or ENDED[m[2]] or m[3] == '' then return 0 end
drop(KEYS[2], ARGV[3], m[3])
if m[4] == '1' and clock() < tonumber(m[5]) then
  -- A paused execution lies on the work stream at its deadline only.
  redis.call('HSET', KEYS[1], 'entry', '')
  redis.call('ZADD', ARGV[4] .. 'timers', m[5], ARGV[1])
else
  requeue(ARGV[4], ARGV[1])
end
return 1
`,
  { allowOom: true },
);
