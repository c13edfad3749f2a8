/**
 * Requests of workflows that limit their executions.
 */
import * as assert from "uvu/assert";
import type { Concurrency, ExecutionRequest } from "../../src/execution/request.ts";
import type { Store } from "../../src/storage/store.ts";
import { placedRequestOf } from "./drivers.ts";
import { endsOnce } from "./expectations.ts";

/** Requests `count` executions of one workflow; their ids. */
export async function requested(
  store: Store,
  options: Partial<ExecutionRequest> & Partial<Concurrency> & { count: number; limit: number },
): Promise<string[]> {
  const { count, limit, onOverlap = "queue", ...rest } = options;
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const request = placedRequestOf(store, { concurrency: { limit, onOverlap }, ...rest });
    assert.equal(await store.log.request(request), { executionId: request.executionId, isNew: true });
    ids.push(request.executionId);
  }
  return ids;
}

/** Ends those that have not ended, and looks at all. */
export async function endAll(store: Store, ids: readonly string[]): Promise<void> {
  for (const id of ids) await store.log.cancel(id);
  for (const id of ids) await endsOnce(store, id);
}

/** The status of an execution. */
export async function statusOf(store: Store, id: string): Promise<string | undefined> {
  return (await store.log.meta(id))?.status;
}

/** Requests an execution for each of these values; their ids. */
export async function requestedFor(
  store: Store,
  locks: readonly string[],
  options: { limit?: number; onOverlap?: Concurrency["onOverlap"]; workflowId?: string } = {},
  timeoutMs = 300_000,
): Promise<string[]> {
  const { limit, onOverlap = "queue", workflowId = "orders" } = options;
  const ids: string[] = [];
  for (const lock of locks) {
    const concurrency = { lock, onOverlap, ...(limit !== undefined && { limit }) };
    const request = placedRequestOf(store, { workflowId, timeoutMs, concurrency });
    assert.equal(await store.log.request(request), { executionId: request.executionId, isNew: true });
    ids.push(request.executionId);
  }
  return ids;
}

/** Requests executions of the value "a" until no more may be queued. */
export async function fill(store: Store, ids: string[]): Promise<void> {
  for (let n = 0; n < 60; n++) {
    try {
      ids.push(...await requestedFor(store, ["a"]));
    } catch {
      return;
    }
  }
  throw new Error(`${ids.length} wait, and more are taken`);
}
