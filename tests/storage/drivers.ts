/**
 * The drivers that the contract suites run over: memory, Redis with JSON, Redis without, Redis in several partitions.
 */
import type { Test } from "uvu";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { FinishOptions } from "../../src/execution/work_queue.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import type { ExecutionResult } from "../../src/execution/result.ts";
import type { ReplyWait } from "../../src/execution/replies.ts";
import type { Store } from "../../src/storage/store.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import type { RedisStoreOptions } from "../../src/storage/redis/store_options.ts";
import type { StoreOptions } from "../../src/storage/store_rules.ts";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { UnavailableError } from "../../src/lib/errors.ts";
import { WAIT_LIMIT_MS } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";

/** What a test may set of a store; only Redis has leases, and a feed that is trimmed by time. */
export type OpenOptions =
  & Omit<StoreOptions, "instance">
  & Pick<RedisStoreOptions, "leaseSeconds" | "feedKeptMs" | "sweepMs">;

/** A driver under test. */
export interface Driver {
  readonly name: string;
  /** Opens a store; several stores of one driver share their data where `isShared`. */
  open(instance: string, options?: OpenOptions): Promise<Store>;
  readonly isShared: boolean;
  readonly url?: string;
  readonly prefix: string;
  clean(): Promise<void>;
}

/** Every driver, each with a corner of its own. */
export function drivers(): Driver[] {
  const memory: Driver = {
    name: "memory",
    isShared: false,
    prefix: "",
    open: (instance, options) => Promise.resolve(createMemoryStore({ instance, ...options })),
    clean: () => Promise.resolve(),
  };
  const redis = redisVariants().map(({ name, url }) => redisDriver({ name, url, partitions: 1 }));
  const [first] = redisVariants();
  return [memory, ...redis, redisDriver({ name: "redis in 3 partitions", url: first!.url, partitions: 3 })];
}

function redisDriver({ name, url, partitions }: { name: string; url: string; partitions: number }): Driver {
  const prefix = uniquePrefix();
  return {
    name,
    url,
    prefix,
    isShared: true,
    open: (instance, options) => openRedisStore({ url, prefix, partitions, instance, ...options }),
    clean: async () => {
      await removeKeys(url, prefix);
    },
  };
}

/** Before each test of a suite opens a store and hands it to `take`; closes it afterwards and removes its data. */
export function openEach(test: Test, driver: Driver, take: (store: Store) => unknown, options?: OpenOptions): void {
  let store: Store;
  test.before.each(async () => {
    store = await driver.open("a", options);
    take(store);
  });
  test.after.each(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });
}

/** Does what {@linkcode openEach} does, with two stores that share their data; the same one twice where none is shared. */
export function openPairs(test: Test, driver: Driver, take: (store: Store, other: Store) => unknown): void {
  let [store, other]: Store[] = [];
  test.before.each(async () => {
    store = await driver.open("a");
    other = driver.isShared ? await driver.open("b") : store;
    take(store, other);
  });
  test.after.each(async () => {
    await store![Symbol.asyncDispose]();
    if (other !== store) await other![Symbol.asyncDispose]();
    await driver.clean();
  });
}

/** A request with defaults. */
export function requestOf(options: Partial<ExecutionRequest> = {}): ExecutionRequest {
  return {
    executionId: uuidv7(),
    workflowId: "orders",
    version: 1,
    trigger: "hook",
    input: { body: { n: 1 } },
    resultTtlSeconds: 60,
    historyTtlSeconds: 60,
    timeoutMs: 300_000,
    ...options,
  };
}

/** A request whose id lies where its workflow's slots, or its idempotency key, are. */
export function placedRequestOf(store: Store, options: Partial<ExecutionRequest> = {}): ExecutionRequest {
  const { workflowId, concurrency, idempotency } = requestOf(options);
  const executionId = store.log.makeId({
    workflowId,
    limited: concurrency !== undefined,
    ...(idempotency === undefined ? {} : { idempotencyKey: idempotency.key }),
  });
  return requestOf({ executionId, ...options });
}

/** Takes until the execution comes. Whatever else comes is let go. */
export async function takeClaim(store: Store, executionId: string): Promise<Claim> {
  const [claim] = await takeClaims(store, [executionId]);
  return claim!;
}

/** One take; none where Redis stood still until its link was given up: what that had handed out comes again. */
async function takeSome(store: Store, options: Parameters<Store["work"]["take"]>[0]): Promise<Claim[]> {
  return await store.work.take(options).catch((error) => {
    if (error instanceof UnavailableError) return [];
    throw error;
  });
}

/**
 * Takes until all these executions came; the claims in the order of the ids. As a worker does,
 * it begins the suspects.
 */
export async function takeClaims(store: Store, executionIds: readonly string[]): Promise<Claim[]> {
  const signal = AbortSignal.timeout(WAIT_LIMIT_MS);
  const taken = new Map<string, Claim>();
  const missing = () => executionIds.filter((id) => !taken.has(id));
  while (!signal.aborted && missing().length > 0) {
    for (const claim of await takeSome(store, { count: 10, blockMs: 200, signal })) {
      if (claim.deliveries > 0) await store.work.begin(claim);
      taken.set(claim.executionId, claim);
    }
  }
  if (missing().length > 0) throw new Error(`Not handed out within ${WAIT_LIMIT_MS} ms: ${missing().join(", ")}`);
  return executionIds.map((id) => taken.get(id)!);
}

/** The ids of what is handed out within `forMs`, and by one whole take at least. */
export async function takenWithin(store: Store, forMs: number): Promise<string[]> {
  const until = performance.now() + forMs;
  const { signal } = new AbortController();
  const ids: string[] = [];
  for (let leftMs = forMs; leftMs > 0; leftMs = until - performance.now()) {
    const claims = await takeSome(store, { count: 10, blockMs: Math.ceil(leftMs), signal });
    ids.push(...claims.map(({ executionId }) => executionId));
  }
  return ids;
}

/** A node's completion. */
export function completed(node: string, output: number | string): LogEvent {
  return { type: "node.completed", time: Date.now(), node, data: { output } };
}

/** What ends an execution well. */
export function ending(claim: Claim, options: Partial<FinishOptions> = {}): FinishOptions {
  return {
    sequence: claim.sequence,
    events: [{ type: "execution.completed", time: Date.now(), data: { lastNode: "sum" } }],
    result: { executionId: claim.executionId, status: "completed", output: 7 },
    ...options,
  };
}

/** Registers a waiter, and resolves with the result that it is handed. */
export async function awaitReply(
  store: Pick<Store, "replies">,
  executionId: string,
  { timeoutMs = WAIT_LIMIT_MS, signal }: Partial<ReplyWait> = {},
): Promise<ExecutionResult> {
  const wait = { timeoutMs, ...(signal !== undefined && { signal: () => signal }) };
  const { result, interrupted } = await store.replies.wait(executionId, wait).reply;
  if (result === undefined) throw new Error(`No reply: ${interrupted}`);
  return result;
}
