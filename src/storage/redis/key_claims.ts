/**
 * Idempotency keys whose execution is in another partition. The partition of a key depends on workflow and key only, so
 * that it is found after the workflow's settings have changed; an execution with a slot is in the partition of the
 * slots.
 *
 * When both are in one partition, one script does everything. Otherwise the key is claimed first, for the id of the new
 * execution, which is then requested under that id. A request with the same key in the meantime, or after a crash in
 * between, requests the same id, and requests are idempotent by id: while the execution lives, and after it for as long
 * as the record that its request left in its own partition. So one key never starts two executions.
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
 * Claims a key for the request's execution. Returns the request to make, under the id of the first claim of the key.
 * Throws `idempotency_key_reused`.
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

/** Releases the key of an execution whose request was refused. */
export async function releaseKey(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  request: KeyedRequest,
): Promise<void> {
  await releaseRecord(commands, { keys: { record: recordOf(keys, request) }, executionId: request.executionId });
}

function recordOf(keys: Keys, { workflowId, idempotency: { key } }: KeyedRequest): string {
  return keys.idempotency(keyPartition(keys, workflowId, key), workflowId, key);
}
