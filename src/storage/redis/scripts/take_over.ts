/**
 * Takes over executions whose lease has lapsed.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { CLAIMING, type ClaimRow, LIBRARY } from "./script_library.ts";

/** Takes over what nobody has kept the lease of. */
export const TAKE_OVER = defineScript(
  `
-- KEYS  1 work
-- ARGV  1 group  2 consumer  3 lease (ms)  4 how many at most  5 where to look on, '0-0' at first  6 base
-- Reply [claims as in CLAIM, how many entries were taken over, where to look on: '0-0' when all have been looked at]
${LIBRARY}
${CLAIMING}
local claims, taken, cursor = {}, 0, ARGV[5]
-- One round looks at ten entries for each that it may take: a long list is looked through over several calls.
local toLookAt = 1000
repeat
  local left = ARGV[4] - taken
  local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', left)
  cursor = found[1]
  toLookAt = toLookAt - 10 * left
  for _, entry in ipairs(found[2]) do
    taken = taken + 1
    claims[#claims + 1] = claim(ARGV[6], ARGV[1], entry, true)
  end
until cursor == '0-0' or taken >= tonumber(ARGV[4]) or toLookAt <= 0
return {claims, taken, cursor}
`,
  { allowOom: true },
);

/** What {@linkcode takeOver} takes. */
export interface TakeOverOptions {
  /** The work stream. */
  readonly keys: { readonly work: string };
  /** Name of the consumer group. */
  readonly group: string;
  /** The consumer that takes over. */
  readonly consumer: string;
  /** How long a lease lives without a renewal, in milliseconds. */
  readonly leaseMs: number;
  /** How many entries it takes over at most. */
  readonly count: number;
  /** Where the last call stopped; `0-0` at first. */
  readonly cursor: string;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** What {@linkcode takeOver} replies. */
export interface TakenOver {
  readonly rows: readonly ClaimRow[];
  /** How many entries were taken over, those that were dropped included. */
  readonly taken: number;
  /** Where to look on; `0-0` when all have been looked at. */
  readonly cursor: string;
}

/** Takes over entries whose lease has lapsed. */
export async function takeOver(connection: RedisConnection, options: TakeOverOptions): Promise<TakenOver> {
  const { keys, group, consumer, leaseMs, count, cursor, base } = options;
  const [rows, taken, next] = await runScript<[ClaimRow[], number, string]>(connection, TAKE_OVER, {
    keys: [keys.work],
    args: [group, consumer, String(leaseMs), String(count), cursor, base],
  });
  return { rows, taken, cursor: next };
}
