/**
 * Claims entries again that are this consumer's.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { CLAIMING, type ClaimRow, HOLDING, LIBRARY } from "./script_library.ts";

/** Claims again what is this consumer's already: what it was handed over a link that broke. */
export const CLAIM = defineScript(
  `
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3 base  4 '1' when the claims before ended without a word  5.. entries
-- Reply [[entry, epoch, sequence, '1' if paused, claims that ended without a word nor progress]..], without entries
--       that are another's, and those whose execution has ended, is gone or has another entry, which are dropped
${LIBRARY}
${HOLDING}
${CLAIMING}
local claims = {}
for i = 5, #ARGV do
  if holder(KEYS[1], ARGV[1], ARGV[i]) == ARGV[2] then
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i])[1]
    if entry then claims[#claims + 1] = claim(ARGV[3], ARGV[1], entry, ARGV[4] == '1') end
  end
end
return claims
`,
  { allowOom: true },
);

/** What {@linkcode claim} takes. */
export interface ClaimOptions {
  /** The work stream. */
  readonly keys: { readonly work: string };
  /** Name of the consumer group. */
  readonly group: string;
  /** The consumer whose entries they are. */
  readonly consumer: string;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
  /** Whether the claims before ended without a word. */
  readonly counted: boolean;
  /** The work entries. */
  readonly entryIds: readonly string[];
}

/** Claims entries again; those of others, and those with nothing left to claim, are left out of the reply. */
export function claim(connection: RedisConnection, options: ClaimOptions): Promise<ClaimRow[]> {
  const { keys, group, consumer, base, counted, entryIds } = options;
  return runScript<ClaimRow[]>(connection, CLAIM, {
    keys: [keys.work],
    args: [group, consumer, base, counted ? "1" : "0", ...entryIds],
  });
}
