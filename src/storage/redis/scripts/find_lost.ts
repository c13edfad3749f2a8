/**
 * Finds executions that Redis no longer has.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Finds executions of which there is neither meta nor result. */
export const FIND_LOST = defineScript(
  `
-- KEYS  1 inbox
-- ARGV  1 TTL (ms)  2 base  3.. execution ids
-- Reply those of which there is neither meta nor result. It writes, so that a replica refuses it
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local lost = {}
for i = 3, #ARGV do
  if redis.call('EXISTS', ARGV[2] .. 'meta:' .. ARGV[i], ARGV[2] .. 'execution:result:' .. ARGV[i]) == 0 then
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
`,
  { allowOom: true },
);

/** What {@linkcode findLost} takes. */
export interface FindLostOptions {
  /** The inbox of this instance. */
  readonly keys: { readonly inbox: string };
  /** How long the inbox lives on. */
  readonly ttlMs: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** The executions to look for. */
  readonly executionIds: readonly string[];
}

/** Replies with those of the executions that are gone. */
export function findLost(connection: RedisConnection, options: FindLostOptions): Promise<string[]> {
  const { keys, ttlMs, base, executionIds } = options;
  return runScript<string[]>(connection, FIND_LOST, {
    keys: [keys.inbox],
    args: [String(ttlMs), base, ...executionIds],
  });
}
