/**
 * Applies a batch of the feed to a partition's indexes and counters.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Acknowledges entries of the feed, and indexes and counts their executions. */
export const ASSEMBLE = defineScript(`
-- KEYS  1 feed  2 index of all  3 index of the active  4 expiry  5.. indexes of workflows and statuses, daily counters
-- ARGV  1 group  2 TTL of daily counters (s)  3 how many entries end nothing  4 how many executions are active  5 base
--       then the ids of those entries
--       then for each active execution: id, number of its workflow's index in KEYS
--       then for each ended one: id of its feed entry, id, numbers in KEYS of workflow's index, status's index and
--       daily counters, score of its expiry, member of its expiry, status, duration (ms)
-- Reply how many ended executions were counted: those whose entry had not been acknowledged before
local plain, active = tonumber(ARGV[3]), tonumber(ARGV[4])
for i = 6, 5 + plain do redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
local at = 6 + plain
for _ = 1, active do
  -- Another assembler may have been told its end already, and have forgotten it: it must not come back.
  local status = redis.call('HGET', ARGV[5] .. 'meta:' .. ARGV[at], 'status')
  if status == 'pending' or status == 'running' or status == 'paused' then
    redis.call('ZADD', KEYS[2], 0, ARGV[at])
    redis.call('ZADD', KEYS[3], 0, ARGV[at])
    redis.call('ZADD', KEYS[tonumber(ARGV[at + 1])], 0, ARGV[at])
  end
  at = at + 2
end
local counted = 0
while at <= #ARGV do
  local id = ARGV[at + 1]
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZADD', KEYS[2], 0, id)
  redis.call('ZADD', KEYS[tonumber(ARGV[at + 2])], 0, id)
  redis.call('ZADD', KEYS[tonumber(ARGV[at + 3])], 0, id)
  redis.call('ZADD', KEYS[4], ARGV[at + 5], ARGV[at + 6])
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[at]) == 1 then
    counted = counted + 1
    local daily = KEYS[tonumber(ARGV[at + 4])]
    redis.call('HINCRBY', daily, ARGV[at + 7], 1)
    redis.call('HINCRBY', daily, 'durationMs', ARGV[at + 8])
    redis.call('EXPIRE', daily, ARGV[2])
  end
  at = at + 9
end
return counted
`);

/** What {@linkcode assemble} takes. */
export interface AssembleOptions {
  readonly keys: {
    readonly feed: string;
    readonly all: string;
    readonly active: string;
    readonly expiry: string;
  };
  readonly group: string;
  /** How long daily counters are kept. */
  readonly dailyTtlSeconds: number;
  readonly base: string;
  /** Entries of the feed that end nothing. */
  readonly entryIds: readonly string[];
  /** Active executions, and the key of the index of their workflow. */
  readonly active: ReadonlyMap<string, string>;
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
  /** Of the feed's entry. */
  readonly id: string;
  readonly executionId: string;
  /** When the history expires, in milliseconds since the epoch. */
  readonly keptUntil: number;
  /** Its member of the set of what expires. */
  readonly member: string;
  readonly status: string;
  readonly durationMs: number;
}

/** Applies a batch; replies with how many ended executions were counted. */
export function assemble(connection: RedisConnection, options: AssembleOptions): Promise<number> {
  const { keys, group, dailyTtlSeconds, base, entryIds, active, ended } = options;
  const names = [keys.feed, keys.all, keys.active, keys.expiry];
  const numbers = new Map<string, string>();
  const numberOf = (name: string): string => {
    let number = numbers.get(name);
    if (number === undefined) numbers.set(name, number = String(names.push(name)));
    return number;
  };
  const args = [group, String(dailyTtlSeconds), String(entryIds.length), String(active.size), base, ...entryIds];
  for (const [executionId, index] of active) args.push(executionId, numberOf(index));
  for (const entry of ended) {
    args.push(entry.id, entry.executionId, numberOf(entry.keys.workflow), numberOf(entry.keys.status));
    args.push(numberOf(entry.keys.daily), String(entry.keptUntil), entry.member);
    args.push(entry.status, String(entry.durationMs));
  }
  return runScript<number>(connection, ASSEMBLE, { keys: names, args });
}
