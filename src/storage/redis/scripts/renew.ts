/**
 * Renews leases.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { HOLDING, LIBRARY } from "./script_library.ts";

/** Keeps the leases of what this worker has. */
export const RENEW = defineScript(
  `
-- KEYS  1 work  2 timers
-- ARGV  1 group  2 consumer  3 lease (ms)  4 base  5 how many entries  6.. entries that this consumer has
--       then the id and the epoch of each execution that it has without an entry
-- Reply [entries that are no longer its own, ids of executions that are no longer its own]
${LIBRARY}
${HOLDING}
local lost, gone = {}, {}
local entries = 5 + ARGV[5]
for i = 6, entries do
  local owner = holder(KEYS[1], ARGV[1], ARGV[i])
  -- Nobody's: the group was lost and made again. FORCE makes it this consumer's, unless the entry is gone.
  if not owner then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'FORCE', 'JUSTID') end
  if owner == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  elseif owner or #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 0 then
    lost[#lost + 1] = ARGV[i]
  end
end
local till = clock() + ARGV[3]
for i = entries + 1, #ARGV, 2 do
  local m = redis.call('HMGET', ARGV[4] .. 'meta:' .. ARGV[i], 'entry', 'epoch')
  if m[1] == LOCAL and m[2] == ARGV[i + 1] then redis.call('ZADD', KEYS[2], till, ARGV[i])
  else gone[#gone + 1] = ARGV[i] end
end
return {lost, gone}
`,
  { allowOom: true },
);

/** What {@linkcode renew} takes. */
export interface RenewOptions {
  /** The work stream and the timers of the partition. */
  readonly keys: { readonly work: string; readonly timers: string };
  /** Name of the consumer group. */
  readonly group: string;
  /** The consumer whose leases are renewed. */
  readonly consumer: string;
  /** How long a lease lives without a renewal, in milliseconds. */
  readonly leaseMs: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** Work entries that this consumer holds. */
  readonly entryIds: readonly string[];
  /** Executions that this consumer holds without a work entry. */
  readonly locals: readonly { readonly executionId: string; readonly epoch: number }[];
}

/** Renews leases; replies with the entries, and with the executions, that are no longer this consumer's. */
export async function renew(
  connection: RedisConnection,
  options: RenewOptions,
): Promise<{ entryIds: string[]; executionIds: string[] }> {
  const { keys, group, consumer, leaseMs, base, entryIds, locals } = options;
  const words = [group, consumer, String(leaseMs), base, String(entryIds.length), ...entryIds];
  for (const { executionId, epoch } of locals) words.push(executionId, String(epoch));
  const [lost, gone] = await runScript<[string[], string[]]>(connection, RENEW, {
    keys: [keys.work, keys.timers],
    args: words,
  });
  return { entryIds: lost, executionIds: gone };
}
