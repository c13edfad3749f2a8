/**
 * Renews leases.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { LIBRARY } from "./script_library.ts";

/** Keeps the leases of what this worker has. */
export const RENEW = defineScript(
  `
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3.. entries that this consumer has
-- Reply entries that are no longer its own
${LIBRARY}
local lost = {}
for i = 3, #ARGV do
  local owner = holder(KEYS[1], ARGV[1], ARGV[i])
  -- Nobody's: the group was lost and made again. FORCE makes it this consumer's, unless the entry is gone.
  if not owner then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'FORCE', 'JUSTID') end
  if owner == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  elseif owner or #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 0 then
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
`,
  { allowOom: true },
);

/** What {@linkcode renew} takes. */
export interface RenewOptions {
  readonly keys: { readonly work: string };
  readonly group: string;
  readonly consumer: string;
  /** Work entries that this consumer holds. */
  readonly entryIds: readonly string[];
}

/** Renews leases; replies with the entries that are no longer this consumer's. */
export function renew(connection: RedisConnection, options: RenewOptions): Promise<string[]> {
  const { keys, group, consumer, entryIds } = options;
  return runScript<string[]>(connection, RENEW, { keys: [keys.work], args: [group, consumer, ...entryIds] });
}
