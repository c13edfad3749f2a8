/**
 * Links an execution and its fork: one script each, since they may lie in two partitions.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Says of a fork what it is a fork of. */
export const MARK_FORK = defineScript(`
-- KEYS  1 meta of the fork
-- ARGV  1 id of the execution that it is a fork of
-- Reply 1, or 0 when the fork is unknown
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'forkOf', ARGV[1])
return 1
`);

/** Adds a fork to the list of what it is a fork of. */
export const ADD_FORK = defineScript(`
-- KEYS  1 log of the execution that is forked  2 list of its forks
-- ARGV  1 id of the fork  2 TTL (s) of the list while the log has none  3 how many forks are kept
-- Reply 1, or 0 when the log is gone
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 0 end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[3])
if left == -1 then left = ARGV[2] * 1000 end
if redis.call('PTTL', KEYS[2]) < left then redis.call('PEXPIRE', KEYS[2], string.format('%d', left)) end
return 1
`);

/** Says of a fork what it is a fork of. */
export async function markFork(connection: RedisConnection, options: { meta: string; of: string }): Promise<void> {
  await runScript(connection, MARK_FORK, { keys: [options.meta], args: [options.of] });
}

/** What {@linkcode addFork} takes. */
export interface AddForkOptions {
  /** The log of the execution, and the list of its forks. */
  readonly keys: { readonly log: string; readonly forks: string };
  /** The id of the fork. */
  readonly fork: string;
  /** How long the list is kept while the log has no end. */
  readonly ttlSeconds: number;
  /** How many forks are remembered. */
  readonly limit: number;
}

/** Adds a fork to the list of what it is a fork of. */
export async function addFork(connection: RedisConnection, options: AddForkOptions): Promise<void> {
  const { keys, fork, ttlSeconds, limit } = options;
  await runScript(connection, ADD_FORK, {
    keys: [keys.log, keys.forks],
    args: [fork, String(ttlSeconds), String(limit)],
  });
}
