/**
 * Drops a partition's indexes and counters, to be made anew.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/**
 * Drops the indexes, and leaves in the counters what comes from executions that the indexes had forgotten: in one step,
 * since an execution is counted when it is not in the set of what expires. What was in it is remembered until it has
 * been counted again: the log of one may expire before the rebuild comes to it.
 */
export const RESET_INDEXES = defineScript(`
-- KEYS  1 expiry  2 expiry before the rebuild  3.. indexes, then pairs: daily counters, their past part
-- ARGV  1 how many indexes there are
-- Reply 'OK'
local drops = tonumber(ARGV[1])
redis.call('ZUNIONSTORE', KEYS[2], 2, KEYS[1], KEYS[2], 'AGGREGATE', 'MAX')
redis.call('DEL', KEYS[1])
for i = 3, drops + 2 do redis.call('DEL', KEYS[i]) end
for i = drops + 3, #KEYS, 2 do
  redis.call('DEL', KEYS[i])
  redis.call('COPY', KEYS[i + 1], KEYS[i])
end
return 'OK'
`);

/** What {@linkcode resetIndexes} takes. */
export interface ResetIndexesOptions {
  /** The indexes, and what is known of executions that expire. */
  readonly keys: {
    readonly expiry: string;
    readonly expiryBefore: string;
    /** The indexes that are dropped. */
    readonly indexes: readonly string[];
  };
  /** The counters of each day, and their part that the logs no longer tell. */
  readonly days: readonly { readonly daily: string; readonly past: string }[];
}

/** Drops indexes and counters. */
export async function resetIndexes(connection: RedisConnection, { keys, days }: ResetIndexesOptions): Promise<void> {
  await runScript<string>(connection, RESET_INDEXES, {
    keys: [keys.expiry, keys.expiryBefore, ...keys.indexes, ...days.flatMap(({ daily, past }) => [daily, past])],
    args: [String(keys.indexes.length)],
  });
}
