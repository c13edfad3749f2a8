/**
 * A request in the words of the script that appends it.
 */
import type { Keys } from "./keys.ts";
import type { ExecutionRequest } from "../../execution/request.ts";
import { encodeEvent } from "../../execution/value.ts";
import type { RequestOptions } from "./scripts/request.ts";

/** What the script takes, and how many bytes of it Redis will keep. */
export function requestWords(
  request: ExecutionRequest,
  { keys }: { keys: Keys },
): { words: RequestOptions; bytes: number } {
  const { executionId, workflowId, version, trigger, input, replyTo = "", replyEarly = false } = request;
  const { concurrency, external, fork, idempotency, resultTtlSeconds, historyTtlSeconds, timeoutMs } = request;
  const partition = keys.partitionOf(executionId);
  const { data, value, json = "null" } = encodeEvent({
    type: "execution.requested",
    time: 0,
    data: { workflowId, version, trigger, input, ...(fork !== undefined && { fork }) },
  });
  // What a fork begins with stands in the log alone: its claim must fold that.
  const isLarge = value !== undefined || fork !== undefined;
  const words: RequestOptions = {
    keys: {
      meta: keys.meta(executionId),
      log: keys.log(executionId),
      work: keys.work(partition),
      feed: keys.feed(partition),
      values: keys.values(executionId),
    },
    executionId,
    workflowId,
    version,
    trigger,
    data,
    replyTo,
    replyEarly,
    input: json,
    large: isLarge,
    ...(external !== undefined && { external }),
    base: keys.base(partition),
    resultTtlSeconds,
    historyTtlSeconds,
    timeoutMs,
    ...(concurrency === undefined && idempotency === undefined ? {} : {
      admission: {
        keys: {
          timers: keys.timers(partition),
          slots: keys.slots(partition, workflowId),
          waiting: keys.waiting(partition, workflowId),
          record: keys.idempotency(partition, workflowId, idempotency?.key ?? ""),
        },
        ...(concurrency === undefined ? {} : { slots: concurrency.limit }),
        onOverlap: concurrency?.onOverlap ?? "",
        fingerprint: idempotency?.fingerprint ?? "",
        recordTtlSeconds: idempotency?.ttlSeconds ?? 0,
        base: keys.base(partition),
      },
    }),
  };
  return { words, bytes: data.length + (isLarge ? json.length : 0) };
}
