/**
 * Forgets consumers that are gone.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Deletes consumers that have been idle, and have nothing pending. */
export const FORGET_CONSUMERS = defineScript(`
-- KEYS  1 stream
-- ARGV  1 group  2 for how long a consumer must have been idle (ms)
-- Reply how many were forgotten. One with pending entries never is: they would be lost with it
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return 0 end
local forgotten = 0
for _, words in ipairs(consumers) do
  local consumer = {}
  for i = 1, #words, 2 do consumer[words[i]] = words[i + 1] end
  if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten
`);

/** What {@linkcode forgetIdle} takes. */
export interface ForgetIdleOptions {
  /** The stream. */
  readonly keys: { readonly stream: string };
  /** Name of the consumer group. */
  readonly group: string;
  /** How long a consumer must have been idle. */
  readonly idleMs: number;
}

/** Forgets consumers; replies with how many. */
export function forgetIdle(connection: RedisConnection, { keys, group, idleMs }: ForgetIdleOptions): Promise<number> {
  return runScript<number>(connection, FORGET_CONSUMERS, { keys: [keys.stream], args: [group, String(idleMs)] });
}
