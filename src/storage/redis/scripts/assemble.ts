/**
 * Applies a batch of the feed to a partition's indexes and counters.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { compareEntryIds } from "../../../lib/entry_id.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { INDEXING } from "./index_library.ts";

/** Acknowledges entries of the feed, and indexes and counts their executions: each key it touches by one command. */
export const ASSEMBLE = defineScript(`
-- KEYS  1 feed  2 index of all  3 index of the active  4 index of the pending  5 expiry  6 expiry before the
--       rebuild  7.. indexes of workflows and statuses, daily counters
-- ARGV  1 group  2 consumer  3 TTL of daily counters (s)  4 how many entries end nothing  5 how many executions are active
--       6 base  7 '1' when executions may expire sooner than ARGV says  8, 9 the lowest and the highest id of the entries
--       that end something, or ''
--       then the ids of the entries that end nothing
--       then for each active execution: id, number of its workflow's index in KEYS
--       then those that have ended, together where workflow, status and day are the same: how many, numbers in KEYS of
--       workflow's index, status's index and daily counters, workflow, status, day, and of each: id of its feed entry or
--       '', id, when the indexes forget it (ms), duration (ms) and number of its bucket or '' when it is not to be counted
-- Reply how many ended executions were counted: those that were not in the set of what expires, and whose entry, if
--       there is one, had not been acknowledged before
${INDEXING}
local plain, active = tonumber(ARGV[4]), tonumber(ARGV[5])
local scored = {}
local function scoredIn(key)
  local words = scored[key] or {}
  scored[key] = words
  return words
end
local function add(list, a, b)
  list[#list + 1] = a
  if b then list[#list + 1] = b end
end
local function send(command, lists, ...)
  for key, words in pairs(lists) do
    -- Lua unpacks some thousands at once.
    for i = 1, words and #words or 0, 2000 do
      local some = {...}
      for j = i, math.min(i + 1999, #words) do some[#some + 1] = words[j] end
      redis.call(command, key, unpack(some))
    end
  end
end
local done = {}
for i = 10, 9 + plain do done[#done + 1] = ARGV[i] end
local at = 10 + plain
for _ = 1, active do
  -- Another assembler may have been told its end already, and have forgotten it: it must not come back.
  local status = redis.call('HGET', ARGV[6] .. 'meta:' .. ARGV[at], 'status')
  if status == 'pending' or status == 'running' or status == 'paused' then
    add(scoredIn(KEYS[2]), 0, ARGV[at])
    add(scoredIn(KEYS[3]), 0, ARGV[at])
    add(scoredIn(KEYS[tonumber(ARGV[at + 1])]), 0, ARGV[at])
    local notPending = status ~= 'pending' and goneFrom(KEYS[4])
    if status == 'pending' then add(scoredIn(KEYS[4]), 0, ARGV[at])
    elseif notPending then add(notPending, ARGV[at]) end
  end
  at = at + 2
end
local ends = at
-- The members of the set of what expires: see \`expiryMember\`.
local members = {}
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  local kind = ' ' .. ARGV[at + 5] .. ' ' .. ARGV[at + 4]
  local counted = kind .. ' ' .. ARGV[at + 6] .. ' '
  for i = at + 7, at + 3 + size * 4, 4 do
    members[#members + 1] = ARGV[i + 1] .. (ARGV[i + 3] == '' and kind or counted .. ARGV[i + 3])
  end
  at = at + 7 + size * 4
end
-- What a rebuild has counted, or an assembler before it, is counted.
local known = {}
for i = 1, #members, 1000 do
  local last = math.min(i + 999, #members)
  for j, score in ipairs(redis.call('ZMSCORE', KEYS[5], unpack(members, i, last))) do
    known[members[i + j - 1]] = score and true
  end
end
-- Which ends are still this consumer's to count; of one that is another's, XACK itself tells.
local pending = {}
if ARGV[8] ~= '' then
  local found = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[8], ARGV[9], plain + #members, ARGV[2])
  if not found.err then
    for _, entry in ipairs(found) do pending[entry[1]] = true end
  end
end
-- When the indexes forget an execution; at once when the archive has let it expire already.
local function expiryOf(id, keptUntil)
  if ARGV[7] == '' then return keptUntil end
  local expires = redis.call('PEXPIRETIME', ARGV[6] .. 'meta:' .. id)
  return expires == -2 and 0 or math.min(expires, tonumber(keptUntil))
end
local counted, n = 0, 0
at = ends
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  local all, ofWorkflow = scoredIn(KEYS[2]), scoredIn(KEYS[tonumber(ARGV[at + 1])])
  local ofStatus, expiring = scoredIn(KEYS[tonumber(ARGV[at + 2])]), scoredIn(KEYS[5])
  local notActive, notPending, notBefore = goneFrom(KEYS[3]), goneFrom(KEYS[4]), goneFrom(KEYS[6])
  for i = at + 7, at + 3 + size * 4, 4 do
    n = n + 1
    local entry, id, member = ARGV[i], ARGV[i + 1], members[n]
    if notActive then add(notActive, id) end
    if notPending then add(notPending, id) end
    add(all, 0, id)
    add(ofWorkflow, 0, id)
    add(ofStatus, 0, id)
    add(expiring, expiryOf(id, ARGV[i + 2]), member)
    if notBefore then add(notBefore, member) end
    local counts = entry == '' or pending[entry]
    if entry ~= '' then
      if counts then
        pending[entry] = false
        done[#done + 1] = entry
      elseif counts == nil then
        counts = redis.call('XACK', KEYS[1], ARGV[1], entry) == 1
      end
    end
    if counts and not known[member] and ARGV[i + 3] ~= '' then
      known[member] = true
      counted = counted + 1
      local durationMs, bucket = string.match(ARGV[i + 3], '(%d+) (%d+)')
      count(KEYS[tonumber(ARGV[at + 3])], ARGV[at + 4], ARGV[at + 5], durationMs, bucket)
    end
  end
  at = at + 7 + size * 4
end
send('XACK', {[KEYS[1]] = done}, ARGV[1])
send('ZREM', gone)
send('ZADD', scored)
writeCounts(ARGV[3])
return counted
`);

/** What {@linkcode assemble} takes. */
export interface AssembleOptions {
  /** The feed, the partition's indexes, and what is known of executions that expire. */
  readonly keys: {
    readonly feed: string;
    readonly all: string;
    readonly active: string;
    readonly pending: string;
    readonly expiry: string;
    readonly expiryBefore: string;
  };
  /** Name of the consumer group. */
  readonly group: string;
  /** The name under which this assembler takes entries. */
  readonly consumer: string;
  /** How long daily counters are kept. */
  readonly dailyTtlSeconds: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** Whether executions may expire sooner than `keptUntil` says. */
  readonly expiresSooner: boolean;
  /** Entries of the feed that end nothing. */
  readonly entryIds: readonly string[];
  /** Active executions, and the key of the index of their workflow. */
  readonly active: ReadonlyMap<string, string>;
  /** The executions that have ended. */
  readonly ended: readonly EndedGroup[];
}

/** Executions of one workflow that have ended alike on one day. */
export interface EndedGroup {
  readonly keys: {
    readonly workflow: string;
    readonly status: string;
    /** The daily counters. */
    readonly daily: string;
  };
  readonly workflowId: string;
  readonly status: string;
  readonly day: string;
  readonly entries: readonly EndedEntry[];
}

/** An entry of the feed that ends an execution. */
export interface EndedEntry {
  /** Of the feed's entry; `""` when there is none. */
  readonly id: string;
  readonly executionId: string;
  /** When the history expires, in milliseconds since the epoch. */
  readonly keptUntil: number;
  /** Its duration in milliseconds and the number of its bucket, a space between; `""` when it is not to be counted. */
  readonly counted: string;
}

/** Applies a batch; replies with how many ended executions were counted. */
export function assemble(connection: RedisConnection, options: AssembleOptions): Promise<number> {
  const { keys, group, consumer, dailyTtlSeconds, base, expiresSooner, entryIds, active, ended } = options;
  const names = [keys.feed, keys.all, keys.active, keys.pending, keys.expiry, keys.expiryBefore];
  const numbers = new Map<string, string>();
  const numberOf = (name: string): string => {
    let number = numbers.get(name);
    if (number === undefined) numbers.set(name, number = String(names.push(name)));
    return number;
  };
  const args = [
    group,
    consumer,
    String(dailyTtlSeconds),
    String(entryIds.length),
    String(active.size),
    base,
    expiresSooner ? "1" : "",
    ...rangeOf(ended),
    ...entryIds,
  ];
  for (const [executionId, index] of active) args.push(executionId, numberOf(index));
  for (const { keys, workflowId, status, day, entries } of ended) {
    args.push(String(entries.length), numberOf(keys.workflow), numberOf(keys.status), numberOf(keys.daily));
    args.push(workflowId, status, day);
    for (const { id, executionId, keptUntil, counted } of entries) {
      args.push(id, executionId, String(keptUntil), counted);
    }
  }
  return runScript<number>(connection, ASSEMBLE, { keys: names, args });
}

/** The lowest and the highest id of the feed's entries, which are in order within each group; `""` where there are none. */
function rangeOf(ended: readonly EndedGroup[]): [string, string] {
  const ends = ended.flatMap(({ entries }) => [entries[0]?.id ?? "", entries.at(-1)?.id ?? ""]).filter(Boolean);
  const [lowest = "", ...others] = ends.sort(compareEntryIds);
  return [lowest, others.at(-1) ?? lowest];
}
