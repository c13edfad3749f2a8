/**
 * Converts a request to the arguments of the scripts that append it.
 */
import { whenReady } from "../../lib/when_ready.ts";
import type { Keys } from "./keys.ts";
import { type ExecutionRequest, requestedData } from "../../execution/request.ts";
import { type EncodedData, encodeEvent } from "../../execution/value.ts";
import type { UnwrittenRun } from "../../execution/short_way.ts";
import { encodeResult } from "./codec.ts";
import { endingOf } from "./feed_entries.ts";
import { encodeEvents, fieldsOfOnly } from "./log_entries.ts";
import { ExecutionKeys } from "./execution_keys.ts";
import type { RecordOptions } from "./scripts/record.ts";
import type { RequestOptions } from "./scripts/request_options.ts";

/** What the script takes, and how many bytes of it Redis will keep. */
export function requestWords(
  request: ExecutionRequest,
  { keys }: { keys: Keys },
): { words: RequestOptions; bytes: number } {
  const { executionId, workflowId, version, trigger, replyTo = "", replyEarly = false } = request;
  const { concurrency, external, fork, idempotency, resultTtlSeconds, historyTtlSeconds, timeoutMs } = request;
  const partition = keys.partitionOf(executionId);
  const { data, value, json = "null" } = encodeRequest(request);
  // What a fork begins with stands in the log alone: its claim must fold that.
  const isLarge = value !== undefined || fork !== undefined;
  const words: RequestOptions = {
    keys: new ExecutionKeys(keys, executionId),
    executionId,
    workflowId,
    version,
    trigger,
    data,
    replyTo,
    replyEarly,
    input: isLarge ? json : "",
    ...(external !== undefined && { external }),
    base: keys.base(partition),
    resultTtlSeconds,
    historyTtlSeconds,
    timeoutMs,
    ...(concurrency === undefined && idempotency === undefined ? {} : {
      admission: {
        keys: { record: keys.idempotency(partition, workflowId, idempotency?.key ?? "") },
        ...(concurrency?.limit !== undefined && { slots: concurrency.limit }),
        ...(concurrency?.lock !== undefined && { lock: concurrency.lock }),
        onOverlap: concurrency?.onOverlap ?? "",
        fingerprint: idempotency?.fingerprint ?? "",
        recordTtlSeconds: idempotency?.ttlSeconds ?? 0,
        base: keys.base(partition),
      },
    }),
  };
  return { words, bytes: data.length + (isLarge ? json.length : 0) };
}

/** What the script takes that writes a whole execution, and how many bytes its log has. */
export function recordWords(
  request: ExecutionRequest,
  { requestedAt, events, result }: UnwrittenRun,
  { keys }: { keys: Keys },
): { words: RecordOptions; bytes: number } | Promise<{ words: RecordOptions; bytes: number }> {
  const { executionId, workflowId, version, trigger, idempotency, resultTtlSeconds, historyTtlSeconds } = request;
  const requested = { type: "execution.requested", time: requestedAt, data: requestedData(request) } as const;
  const { types, words, outputs } = encodeEvents([requested, ...events]);
  const record = idempotency && keys.idempotency(keys.partitionOf(executionId), workflowId, idempotency.key);
  return whenReady(encodeResult(result, (output) => outputs.get(output)), ({ stored }) => ({
    bytes: bytesOf(words),
    words: {
      keys: new ExecutionKeys(keys, executionId),
      ...(record !== undefined && { record }),
      executionId,
      workflowId,
      version,
      trigger,
      requestedAt,
      status: result.status,
      result: stored,
      resultTtlSeconds,
      historyTtlSeconds,
      append: `${
        endingOf({ workflowId, version, types }, { status: result.status, requestedAt })
      } ${historyTtlSeconds}`,
      words,
      fields: fieldsOfOnly(words),
      fingerprint: idempotency?.fingerprint ?? "",
      recordTtlSeconds: idempotency?.ttlSeconds ?? 0,
    },
  }));
}

/** How much words take in Redis: exactly where they may be long, and not worth counting elsewhere. */
function bytesOf(words: readonly string[]): number {
  return words.reduce((sum, word) => sum + (word.length > 1000 ? Buffer.byteLength(word) : word.length), 0);
}

function encodeRequest(request: ExecutionRequest): EncodedData {
  return encodeEvent({ type: "execution.requested", time: 0, data: requestedData(request) });
}
