/**
 * Hands out executions to other programs.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { LIBRARY } from "./script_library.ts";

/** Gives leases of executions that nobody has one of, of one workflow. */
export const TAKE_EXTERNAL = defineScript(`
-- KEYS  1 executions that are handed out, scored with the end of their lease (ms); 0 before the first
-- ARGV  1 how many at most  2 lease (ms)  3 base  4 how many times one may be handed out without progress
-- Reply [[id, workflow, version, trigger, epoch, end of the lease, deadline]..], then [id..] of what is given up
${LIBRARY}
local now = clock()
local claims, dead = {}, {}
local function take(id)
  local meta = ARGV[3] .. 'meta:' .. id
  local m = redis.call('HMGET', meta, 'status', 'paused', 'taken', 'deliveries', 'workflow', 'version', 'trigger', 'deadline')
  -- Resuming one that is paused puts it here again.
  if not m[1] or ENDED[m[1]] or m[2] == '1' or now >= tonumber(m[8]) then return redis.call('ZREM', KEYS[1], id) end
  local deliveries = m[3] and redis.call('HINCRBY', meta, 'deliveries', 1) or 0
  if deliveries >= tonumber(ARGV[4]) then
    dead[#dead + 1] = id
    return
  end
  local epoch = redis.call('HINCRBY', meta, 'epoch', 1)
  redis.call('HSET', meta, 'taken', '1', 'lease', ARGV[2])
  redis.call('ZADD', KEYS[1], now + ARGV[2], id)
  claims[#claims + 1] = {id, m[5], m[6], m[7], tostring(epoch), ms(now + ARGV[2]), m[8]}
end
local function give(from, to)
  -- What is given up stays here until it is ended, and is passed over; everything else that was looked at is gone.
  local looked, before = 0, #dead
  while #claims < tonumber(ARGV[1]) and looked < 1000 do
    local ids = redis.call('ZRANGEBYSCORE', KEYS[1], from, to, 'LIMIT', #dead - before, ARGV[1] - #claims)
    if #ids == 0 then return end
    looked = looked + #ids
    for _, id in ipairs(ids) do take(id) end
  end
end
-- What has lapsed first: however much new work waits, it comes back.
give('(0', now)
give(0, 0)
return {claims, dead}
`);

/** What {@linkcode takeExternal} takes. */
export interface TakeExternalOptions {
  /** The executions that are handed out, by the end of their lease; first those that have had none. */
  readonly keys: { readonly external: string };
  /** How many are handed out at most. */
  readonly count: number;
  /** How long the taker has each before it is handed out again, in milliseconds. */
  readonly leaseMs: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** How many times one may be handed out without progress. */
  readonly maxDeliveries: number;
}

/** One that is handed out. */
export type ExternalRow = [
  id: string,
  workflowId: string,
  version: string,
  trigger: string,
  epoch: string,
  leaseExpiresAt: string,
  deadline: string,
];

/** Hands out executions; the second list is of those that were handed out too often. */
export function takeExternal(
  connection: RedisConnection,
  { keys, count, leaseMs, base, maxDeliveries }: TakeExternalOptions,
): Promise<[ExternalRow[], string[]]> {
  return runScript(connection, TAKE_EXTERNAL, {
    keys: [keys.external],
    args: [String(count), String(leaseMs), base, String(maxDeliveries)],
  });
}
