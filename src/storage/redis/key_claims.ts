/**
 * Idempotency keys whose execution lies in another partition than they do. A key's own partition follows from workflow
 * and key alone, so that it is found whatever the workflow's settings have become; an execution with a slot lies where
 * the slots are.
 *
 * Where both are the same partition, one script does it all. Elsewhere the key is claimed first, for the id of the
 * execution that is to be, and the execution requested then, under that id: whoever comes with the same key meanwhile, or
 * after a crash in between, requests the same id, and a request is keyed by its id. So no two can come of one key.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { defineScript, runScript } from "./connection/script.ts";
import type { ExecutionRequest } from "../../execution/request.ts";
import { idempotencyKeyReused } from "../../execution/refusals.ts";

const CLAIM_KEY = defineScript(`
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

const RELEASE_KEY = defineScript(
  `
-- KEYS  1 idempotency record
-- ARGV  1 execution id
-- Reply 1 when the record was this execution's
if redis.call('HGET', KEYS[1], 'execution') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`,
  { allowOom: true },
);

/** A request with a key. */
export type KeyedRequest = ExecutionRequest & Required<Pick<ExecutionRequest, "idempotency">>;

/** The partition of a key. */
export function keyPartition(keys: Keys, workflowId: string, key: string): number {
  return keys.partitionOf(`${workflowId} ${key}`);
}

/**
 * Claims a key for the request's execution: the request to be made now, which is the first claimant's where there was
 * one. Throws `idempotency_key_reused`.
 */
export async function claimKey(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  request: KeyedRequest,
): Promise<KeyedRequest> {
  const { executionId, idempotency: { fingerprint, ttlSeconds }, replyTo = "", replyEarly = false } = request;
  const [holder, holderReplyTo, early] = await runScript<string[]>(commands, CLAIM_KEY, {
    keys: [recordOf(keys, request)],
    args: [executionId, fingerprint, String(ttlSeconds), replyTo, replyEarly ? "1" : ""],
  });
  if (holder === undefined) throw idempotencyKeyReused();
  if (holder === executionId) return request;
  const { replyTo: _replyTo, ...rest } = request;
  return {
    ...rest,
    executionId: holder,
    replyEarly: early === "1",
    ...(holderReplyTo ? { replyTo: holderReplyTo } : {}),
  };
}

/** Gives a key up that was claimed for this request's execution, which was refused. */
export async function releaseKey(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  request: KeyedRequest,
): Promise<void> {
  await runScript(commands, RELEASE_KEY, { keys: [recordOf(keys, request)], args: [request.executionId] });
}

function recordOf(keys: Keys, { workflowId, idempotency: { key } }: KeyedRequest): string {
  return keys.idempotency(keyPartition(keys, workflowId, key), workflowId, key);
}
