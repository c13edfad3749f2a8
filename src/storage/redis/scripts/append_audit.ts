/**
 * Writes to the audit.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** How long it is remembered which batch of a writer was its last, in milliseconds: longer than one is sent again. */
const WRITER_MS = 86_400_000;

/** Adds the records of a batch, unless it was added before, and lets the oldest go. */
export const APPEND_AUDIT = defineScript(
  `
-- KEYS  1 stream of the audit  2 number of the writer's last batch
-- ARGV  1 number of the batch  2 entries that are kept  3 TTL of the number (ms)
--       4.. token's name and the rest (JSON) of each record
-- Reply 1, or 0 when the batch was there
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then return 0 end
for i = 4, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'token', ARGV[i], 'record', ARGV[i + 1])
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1
`,
  { allowOom: true },
);

/** What {@linkcode appendAudit} takes. */
export interface AppendAuditOptions {
  /** The list, and the number of the last batch of who writes. */
  readonly keys: {
    readonly audit: string;
    /** Of the writer's last batch. */
    readonly writer: string;
  };
  /** Of this batch. */
  readonly number: number;
  /** How many entries are kept. */
  readonly limit: number;
  /** The name of each record's token, and the rest of it as JSON. */
  readonly records: readonly { readonly token: string; readonly rest: string }[];
}

/** Adds a batch; false when it was there. */
export async function appendAudit(connection: RedisConnection, options: AppendAuditOptions): Promise<boolean> {
  const { keys, number, limit, records } = options;
  const words = records.flatMap(({ token, rest }) => [token, rest]);
  return await runScript<number>(connection, APPEND_AUDIT, {
    keys: [keys.audit, keys.writer],
    args: [String(number), String(limit), String(WRITER_MS), ...words],
  }) === 1;
}
