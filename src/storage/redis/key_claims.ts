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
import { claimRecord, type RecordHolder } from "./scripts/claim_key.ts";
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
  const holder = await claimAtHome({ keys, commands }, request);
  if (holder === undefined) throw idempotencyKeyReused();
  if (holder.executionId === request.executionId) return request;
  const { replyTo: _replyTo, ...rest } = request;
  return {
    ...rest,
    executionId: holder.executionId,
    replyEarly: holder.replyEarly,
    ...(holder.replyTo ? { replyTo: holder.replyTo } : {}),
  };
}

/** Claims a key where it lies; `undefined` when it was used for another request. */
export function claimAtHome(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  request: Omit<KeyedRequest, "input">,
): Promise<RecordHolder | undefined> {
  const { executionId, idempotency: { fingerprint, ttlSeconds }, replyTo = "", replyEarly = false } = request;
  const record = recordOf(keys, request);
  return claimRecord(commands, { keys: { record }, executionId, fingerprint, ttlSeconds, replyTo, replyEarly });
}

/** Releases the key of an execution whose request was refused. */
export async function releaseKey(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  request: KeyedRequest,
): Promise<void> {
  await releaseRecord(commands, { keys: { record: recordOf(keys, request) }, executionId: request.executionId });
}

/** The name of a key's record. */
export function recordOf(keys: Keys, { workflowId, idempotency: { key } }: Omit<KeyedRequest, "input">): string {
  return keys.idempotency(keyPartition(keys, workflowId, key), workflowId, key);
}
