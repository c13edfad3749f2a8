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
import { claimRecord } from "./scripts/claim_key.ts";
import { releaseRecord } from "./scripts/release_key.ts";
import type { ExecutionRequest } from "../../execution/request.ts";
import { idempotencyKeyReused } from "../../execution/refusals.ts";

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
  const holder = await claimRecord(commands, {
    keys: { record: recordOf(keys, request) },
    executionId,
    fingerprint,
    ttlSeconds,
    replyTo,
    replyEarly,
  });
  if (holder === undefined) throw idempotencyKeyReused();
  if (holder.executionId === executionId) return request;
  const { replyTo: _replyTo, ...rest } = request;
  return {
    ...rest,
    executionId: holder.executionId,
    replyEarly: holder.replyEarly,
    ...(holder.replyTo ? { replyTo: holder.replyTo } : {}),
  };
}

/** Gives a key up that was claimed for this request's execution, which was refused. */
export async function releaseKey(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  request: KeyedRequest,
): Promise<void> {
  await releaseRecord(commands, { keys: { record: recordOf(keys, request) }, executionId: request.executionId });
}

function recordOf(keys: Keys, { workflowId, idempotency: { key } }: KeyedRequest): string {
  return keys.idempotency(keyPartition(keys, workflowId, key), workflowId, key);
}
