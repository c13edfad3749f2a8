/**
 * Releases an idempotency key.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Deletes an idempotency record, if it is the execution's. */
export const RELEASE_KEY = defineScript(
  `
-- KEYS  1 idempotency record
-- ARGV  1 execution id
-- Reply 1 when the record was this execution's
if redis.call('HGET', KEYS[1], 'execution') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`,
  { allowOom: true },
);

/** What {@linkcode releaseRecord} takes. */
export interface ReleaseRecordOptions {
  /** The idempotency record. */
  readonly keys: { readonly record: string };
  /** The execution that has the key. */
  readonly executionId: string;
}

/** Releases a key; `false` when it was not this execution's. */
export async function releaseRecord(connection: RedisConnection, options: ReleaseRecordOptions): Promise<boolean> {
  const { keys, executionId } = options;
  return await runScript<number>(connection, RELEASE_KEY, { keys: [keys.record], args: [executionId] }) === 1;
}
