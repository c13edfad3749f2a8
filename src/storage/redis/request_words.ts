/**
 * A request as the words that the script takes which appends it.
 */
import type { Keys } from "./keys.ts";
import type { ExecutionRequest } from "../../execution/request.ts";
import { encodeEvent } from "../../execution/value.ts";

/** Where in the arguments it stands how many executions may be queued or run. */
export const LIMIT_AT = 11;

/** KEYS and ARGV of {@linkcode REQUEST}, and how many bytes of them Redis will keep. */
export function requestWords(
  request: ExecutionRequest,
  { keys, queueLimit }: { keys: Keys; queueLimit: number },
): { names: string[]; args: string[]; bytes: number } {
  const { executionId, workflowId, version, trigger, input, replyTo = "", replyEarly = false } = request;
  const { concurrency, idempotency } = request;
  const partition = keys.partitionOf(executionId);
  const { data, value, json = "null" } = encodeEvent({
    type: "execution.requested",
    time: 0,
    data: { workflowId, version, trigger, input },
  });
  const names = [keys.meta(executionId), keys.log(executionId), keys.work(partition), keys.feed(partition)];
  const args = [
    executionId,
    workflowId,
    String(version),
    trigger,
    data,
    replyTo,
    replyEarly ? "1" : "",
    json,
    String(request.resultTtlSeconds),
    String(request.historyTtlSeconds),
    String(request.timeoutMs),
    String(queueLimit),
  ];
  if (concurrency !== undefined || idempotency !== undefined) {
    names.push(keys.timers(partition), keys.slots(partition, workflowId), keys.waiting(partition, workflowId));
    names.push(keys.idempotency(partition, workflowId, idempotency?.key ?? ""));
    args.push(concurrency === undefined ? "" : String(concurrency.limit), concurrency?.onOverlap ?? "");
    args.push(idempotency?.fingerprint ?? "", String(idempotency?.ttlSeconds ?? 0), keys.base(partition));
  }
  names.push(keys.values(executionId));
  args.push(value === undefined ? "" : "1");
  return { names, args, bytes: data.length + (value?.json.length ?? 0) };
}
