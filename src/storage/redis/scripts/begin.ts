/**
 * Begins a suspect.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { LIBRARY } from "./script_library.ts";

/** Says that a suspect, which waited for its turn, begins. */
export const BEGIN = defineScript(
  `
-- KEYS  1 meta
-- ARGV  1 epoch
-- Reply 1, or 0 when the claim is no longer the newest
${LIBRARY}
local m = redis.call('HMGET', KEYS[1], 'epoch', 'status')
if m[1] ~= ARGV[1] or ENDED[m[2]] then return 0 end
redis.call('HDEL', KEYS[1], 'waits')
return 1
`,
  { allowOom: true },
);

/** What {@linkcode begin} takes. */
export interface BeginOptions {
  /** What is known of the execution besides its log. */
  readonly keys: { readonly meta: string };
  /** The claim's epoch. */
  readonly epoch: number;
}

/** Begins a suspect; `false` when the claim is no longer the newest. */
export async function begin(connection: RedisConnection, { keys, epoch }: BeginOptions): Promise<boolean> {
  return await runScript<number>(connection, BEGIN, { keys: [keys.meta], args: [String(epoch)] }) === 1;
}
