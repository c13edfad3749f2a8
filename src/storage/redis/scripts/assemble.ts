/**
 * Applies a batch of the feed to a partition's indexes and counters.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Acknowledges entries of the feed, and indexes and counts their executions: each key it touches by one command. */
export const ASSEMBLE = defineScript(`
-- KEYS  1 feed  2 index of all  3 index of the active  4 index of the pending  5 expiry  6 expiry before the
--       rebuild  7.. indexes of workflows and statuses, daily counters
-- ARGV  1 group  2 consumer  3 TTL of daily counters (s)  4 how many entries end nothing  5 how many executions are active
--       6 base  7 '1' when executions may expire sooner than ARGV says
--       then the ids of those entries
--       then for each active execution: id, number of its workflow's index in KEYS
--       then for each ended one: id of its feed entry or '', id, numbers in KEYS of workflow's index, status's index and
--       daily counters, score of its expiry, member of its expiry, workflow, status, duration (ms), number of its bucket
--       or '' when it is not to be counted
-- Reply how many ended executions were counted: those that were not in the set of what expires, and whose entry, if
--       there is one, had not been acknowledged before
local plain, active = tonumber(ARGV[4]), tonumber(ARGV[5])
local scored, gone, done = {}, {}, {}
local function put(lists, key, ...)
  local words = lists[key]
  if not words then
    words = {}
    lists[key] = words
  end
  for _, word in ipairs({...}) do words[#words + 1] = word end
end
local function send(command, lists, ...)
  for key, words in pairs(lists) do
    -- Lua unpacks some thousands at once.
    for i = 1, #words, 2000 do
      local some = {...}
      for j = i, math.min(i + 1999, #words) do some[#some + 1] = words[j] end
      redis.call(command, key, unpack(some))
    end
  end
end
for i = 8, 7 + plain do put(done, KEYS[1], ARGV[i]) end
local at = 8 + plain
for _ = 1, active do
  -- Another assembler may have been told its end already, and have forgotten it: it must not come back.
  local status = redis.call('HGET', ARGV[6] .. 'meta:' .. ARGV[at], 'status')
  if status == 'pending' or status == 'running' or status == 'paused' then
    put(scored, KEYS[2], 0, ARGV[at])
    put(scored, KEYS[3], 0, ARGV[at])
    put(scored, KEYS[tonumber(ARGV[at + 1])], 0, ARGV[at])
    if status == 'pending' then put(scored, KEYS[4], 0, ARGV[at]) else put(gone, KEYS[4], ARGV[at]) end
  end
  at = at + 2
end
local WIDTH = 11
-- Which ends are still this consumer's to count; of one that is another's, XACK itself tells.
local pending = {}
if at <= #ARGV and ARGV[at] ~= '' then
  local most = plain + (#ARGV - at + 1) / WIDTH
  local found = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[#ARGV - WIDTH + 1], most, ARGV[2])
  if not found.err then
    for _, entry in ipairs(found) do pending[entry[1]] = true end
  end
end
-- What a rebuild has counted, or an assembler before it, is counted.
local known = {}
for i = at, #ARGV, WIDTH * 1000 do
  local members = {}
  for j = i, math.min(i + WIDTH * 999, #ARGV), WIDTH do members[#members + 1] = ARGV[j + 6] end
  for j, score in ipairs(redis.call('ZMSCORE', KEYS[5], unpack(members))) do known[members[j]] = score and true end
end
-- When the indexes forget an execution; at once when the archive has let it expire already.
local function expiryOf(id, keptUntil)
  if ARGV[7] == '' then return keptUntil end
  local expires = redis.call('PEXPIRETIME', ARGV[6] .. 'meta:' .. id)
  return expires == -2 and 0 or math.min(expires, tonumber(keptUntil))
end
local counted, days = 0, {}
while at <= #ARGV do
  local id, member = ARGV[at + 1], ARGV[at + 6]
  put(gone, KEYS[3], id)
  put(gone, KEYS[4], id)
  put(scored, KEYS[2], 0, id)
  put(scored, KEYS[tonumber(ARGV[at + 2])], 0, id)
  put(scored, KEYS[tonumber(ARGV[at + 3])], 0, id)
  put(scored, KEYS[5], expiryOf(id, ARGV[at + 5]), member)
  put(gone, KEYS[6], member)
  local counts = ARGV[at] == '' or pending[ARGV[at]]
  if ARGV[at] ~= '' then
    if counts then
      pending[ARGV[at]] = false
      put(done, KEYS[1], ARGV[at])
    elseif counts == nil then
      counts = redis.call('XACK', KEYS[1], ARGV[1], ARGV[at]) == 1
    end
  end
  if counts and not known[member] and ARGV[at + 10] ~= '' then
    known[member] = true
    counted = counted + 1
    local key, workflow = KEYS[tonumber(ARGV[at + 4])], ARGV[at + 7]
    local daily = days[key] or {}
    local function count(name, number) daily[workflow .. ' ' .. name] = (daily[workflow .. ' ' .. name] or 0) + number end
    count(ARGV[at + 8], 1)
    count('durationMs', ARGV[at + 9])
    count(ARGV[at + 10], 1)
    days[key] = daily
  end
  at = at + WIDTH
end
send('XACK', done, ARGV[1])
send('ZREM', gone)
send('ZADD', scored)
for key, daily in pairs(days) do
  for name, number in pairs(daily) do redis.call('HINCRBY', key, name, string.format('%.0f', number)) end
  redis.call('EXPIRE', key, ARGV[3])
end
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
  readonly ended: readonly EndedEntry[];
}

/** An entry of the feed that ends an execution. */
export interface EndedEntry {
  readonly keys: {
    readonly workflow: string;
    readonly status: string;
    /** The daily counters. */
    readonly daily: string;
  };
  /** Of the feed's entry; `""` when there is none. */
  readonly id: string;
  readonly executionId: string;
  /** When the history expires, in milliseconds since the epoch. */
  readonly keptUntil: number;
  /** Its member of the set of what expires. */
  readonly member: string;
  readonly workflowId: string;
  readonly status: string;
  readonly durationMs: number;
  /** Number of its bucket in the histogram of durations; `""` when it is not to be counted. */
  readonly bucket: number | "";
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
    ...entryIds,
  ];
  for (const [executionId, index] of active) args.push(executionId, numberOf(index));
  for (const entry of ended) {
    args.push(entry.id, entry.executionId, numberOf(entry.keys.workflow), numberOf(entry.keys.status));
    args.push(numberOf(entry.keys.daily), String(entry.keptUntil), entry.member);
    args.push(entry.workflowId, entry.status, String(entry.durationMs), String(entry.bucket));
  }
  return runScript<number>(connection, ASSEMBLE, { keys: names, args });
}
