/**
 * Names of the keys that an execution begins with.
 */
import type { Keys } from "./keys.ts";

/** What one execution is kept under, and the streams and timers of its partition. */
export interface ExecutionKeys {
  readonly meta: string;
  readonly log: string;
  readonly result: string;
  readonly values: string;
  readonly feed: string;
  readonly work: string;
  readonly timers: string;
}

/** Names the keys of an execution. */
export function executionKeys(keys: Keys, executionId: string): ExecutionKeys {
  const partition = keys.partitionOf(executionId);
  return {
    meta: keys.meta(executionId),
    log: keys.log(executionId),
    result: keys.result(executionId),
    values: keys.values(executionId),
    feed: keys.feed(partition),
    work: keys.work(partition),
    timers: keys.timers(partition),
  };
}
