/**
 * Acknowledges entries of the feed that the archive has had, and lets their executions expire.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Acknowledges, and shortens what was kept for the archive; never prolongs anything. */
export const LET_EXPIRE = defineScript(
  `
-- KEYS  1 feed  2 expiry
-- ARGV  1 group  2 base  3 how many entries to acknowledge, then their ids
--       then for each execution to let go: id, time at which it expires (ms), its member of the expiry
-- Reply how many entries were acknowledged
local entries = tonumber(ARGV[3])
local acknowledged = 0
for i = 4, 3 + entries do acknowledged = acknowledged + redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
for i = 4 + entries, #ARGV, 3 do
  for _, kind in ipairs({'log:', 'meta:', 'values:'}) do
    redis.call('PEXPIREAT', ARGV[2] .. kind .. ARGV[i], ARGV[i + 1], 'LT')
  end
  redis.call('ZADD', KEYS[2], 'XX', 'LT', ARGV[i + 1], ARGV[i + 2])
end
return acknowledged
`,
  { allowOom: true },
);

/** What {@linkcode letExpire} takes. */
export interface LetExpireOptions {
  /** The feed, and what is known of executions that expire. */
  readonly keys: { readonly feed: string; readonly expiry: string };
  /** Name of the archive's consumer group. */
  readonly group: string;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** The entries of the feed to acknowledge. */
  readonly entryIds: readonly string[];
  /** The executions that are archived. */
  readonly executions: readonly {
    readonly executionId: string;
    /** Epoch milliseconds. */
    readonly keptUntil: number;
    /** Its member of the set of what the lists forget. */
    readonly member: string;
  }[];
}

/** Acknowledges and lets go; replies with how many entries were acknowledged. */
export function letExpire(connection: RedisConnection, options: LetExpireOptions): Promise<number> {
  const { keys, group, base, entryIds, executions } = options;
  const args = [group, base, String(entryIds.length), ...entryIds];
  for (const { executionId, keptUntil, member } of executions) args.push(executionId, String(keptUntil), member);
  return runScript<number>(connection, LET_EXPIRE, { keys: [keys.feed, keys.expiry], args });
}
