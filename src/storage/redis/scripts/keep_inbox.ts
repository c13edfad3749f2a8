/**
 * Keeps an inbox alive.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Trims an inbox and extends its life, or makes it. */
export const KEEP = defineScript(
  `
-- KEYS  1 inbox
-- ARGV  1 TTL (ms)  2 instance  3 last entry read
-- Reply '' when the inbox was there; it is trimmed down to the last entry read, so that its last id stays.
--       Otherwise the id of the first entry of one made now
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 1 then
  redis.call('XTRIM', KEYS[1], 'MINID', ARGV[3])
  return ''
end
local id = redis.call('XADD', KEYS[1], '*', 'opened', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return id
`,
  { allowOom: true },
);

/** What {@linkcode keepInbox} takes. */
export interface KeepInboxOptions {
  /** The inbox. */
  readonly keys: { readonly inbox: string };
  /** How long it lives on, in milliseconds. */
  readonly ttlMs: number;
  /** Name of the instance whose inbox it is. */
  readonly instance: string;
  /** The last entry read. */
  readonly cursor: string;
}

/** Keeps an inbox; replies "" when it was there, else the id of the first entry of the one that was made. */
export function keepInbox(connection: RedisConnection, options: KeepInboxOptions): Promise<string> {
  const { keys, ttlMs, instance, cursor } = options;
  return runScript<string>(connection, KEEP, { keys: [keys.inbox], args: [String(ttlMs), instance, cursor] });
}
