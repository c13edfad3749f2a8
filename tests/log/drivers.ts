/**
 * The drivers that the contract suites run over: memory, Redis with JSON, Redis without, Redis in several partitions.
 */
import { createMemoryStore } from "../../src/log/memory/store.ts";
import type { Claim, ExecutionRequest, FinishOptions, Store } from "../../src/log/port.ts";
import type { LogEvent } from "../../src/log/event.ts";
import { openRedisStore } from "../../src/log/redis/store.ts";
import { uuidv7 } from "../../src/execution_id.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";

/** A driver under test. */
export interface Driver {
  readonly name: string;
  /** Opens a store; several stores of one driver share their data where `isShared`. */
  open(instance: string, options?: { maxWaiters?: number; leaseSeconds?: number }): Promise<Store>;
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
    ...options,
  };
}

/** Takes until the execution comes, failing after 5 s. */
export async function takeClaim(store: Store, executionId: string): Promise<Claim> {
  const signal = AbortSignal.timeout(5000);
  while (!signal.aborted) {
    for (const claim of await store.work.take({ count: 10, blockMs: 200, signal })) {
      if (claim.executionId === executionId) return claim;
    }
  }
  throw new Error(`${executionId} was not handed out within 5 s`);
}

/** A node's completion. */
export function completed(node: string, output: number | string): LogEvent {
  return { type: "node.completed", time: Date.now(), node, data: { output } };
}

/** What ends an execution well. */
export function ending(claim: Claim, options: Partial<FinishOptions> = {}): FinishOptions {
  return {
    sequence: claim.sequence ?? 1,
    events: [{ type: "execution.completed", time: Date.now(), data: { lastNode: "sum" } }],
    result: { executionId: claim.executionId, status: "completed", output: 7 },
    resultTtlSeconds: 60,
    historyTtlSeconds: 60,
    ...options,
  };
}

/** Waits until `check` gives a value, failing after 5 s. */
export async function eventually<T>(check: () => Promise<T | undefined | false>, what: string): Promise<T> {
  const until = Date.now() + 5000;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > until) throw new Error(`Not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
