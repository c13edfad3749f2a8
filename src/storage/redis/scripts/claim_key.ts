/**
 * Claims an idempotency key.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Claims an idempotency key for an execution that is to be requested. */
export const CLAIM_KEY = defineScript(`
-- KEYS  1 idempotency record
-- ARGV  1 execution id  2 fingerprint  3 TTL (s)  4 instance to reply to, or ''  5 '1' to reply early
-- Reply [execution, instance to reply to, '1' to reply early] of whoever claimed it first; [] with another fingerprint
local record = redis.call('HMGET', KEYS[1], 'execution', 'fingerprint', 'replyTo', 'early')
if record[1] then
  return record[2] == ARGV[2] and {record[1], record[3] or '', record[4] or ''} or {}
end
redis.call('HSET', KEYS[1], 'execution', ARGV[1], 'fingerprint', ARGV[2], 'replyTo', ARGV[4], 'early', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {ARGV[1], ARGV[4], ARGV[5]}
`);

/** What {@linkcode claimRecord} takes. */
export interface ClaimRecordOptions {
  /** The idempotency record. */
  readonly keys: { readonly record: string };
  /** The execution that is to have the key. */
  readonly executionId: string;
  /** The fingerprint of the request. */
  readonly fingerprint: string;
  /** How long the record is kept, in seconds. */
  readonly ttlSeconds: number;
  /** The instance to reply to, or "". */
  readonly replyTo: string;
  /** Whether the caller is answered by the first node that responds. */
  readonly replyEarly: boolean;
}

/** Whose a key is: the first claimant's execution, and how it is to be answered. */
export interface RecordHolder {
  readonly executionId: string;
  /** The instance to reply to, or "". */
  readonly replyTo: string;
  readonly replyEarly: boolean;
}

/** Claims a key; `undefined` when it was claimed with another fingerprint. */
export async function claimRecord(
  connection: RedisConnection,
  options: ClaimRecordOptions,
): Promise<RecordHolder | undefined> {
  const { keys, executionId, fingerprint, ttlSeconds, replyTo, replyEarly } = options;
  const [holder, holderReplyTo = "", early] = await runScript<string[]>(connection, CLAIM_KEY, {
    keys: [keys.record],
    args: [executionId, fingerprint, String(ttlSeconds), replyTo, replyEarly ? "1" : ""],
  });
  return holder === undefined ? undefined : { executionId: holder, replyTo: holderReplyTo, replyEarly: early === "1" };
}
