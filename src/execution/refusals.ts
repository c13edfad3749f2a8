/**
 * The errors with which a store refuses a request, for the caller to see.
 */
import { AppendRefusedError, MillraceError } from "../lib/errors.ts";
import type { Concurrency } from "./request.ts";

/** The longest `Retry-After` of a refusal, in seconds. */
const RETRY_WITHIN_SECONDS = 5;

/** The queue limit is reached. */
export function queueFull(): MillraceError {
  return new MillraceError("queue_full", "Too many executions are waiting already", { headers: retryAfter() });
}

/** The store no longer has an execution that it had accepted and that had not ended: it lost data. */
export function executionLost(executionId: string): MillraceError {
  const message =
    "The store has lost the execution: it can be sent again, with the same Idempotency-Key if it was sent with one";
  return new MillraceError("execution_lost", message, { extensions: { executionId }, headers: { "retry-after": "1" } });
}

/** Storage is full. Executions that end free some of it. */
export function storageFull(cause?: unknown): MillraceError {
  return new MillraceError("storage_full", "There is no room for another execution at the moment", {
    headers: retryAfter(),
    cause,
  });
}

/** The log of an execution has reached its limit: it takes the terminal event only. */
export function logLimit(limitBytes: number): AppendRefusedError {
  return new AppendRefusedError("log_limit", `The log of the execution would be larger than ${limitBytes} bytes`);
}

/** Its lock is held or all slots of the workflow are taken, and it does not queue. */
export function concurrencyExceeded(workflowId: string, { limit, lock }: Concurrency): MillraceError {
  const locked = lock === undefined ? undefined : "an execution has the lock of the same value";
  const taken = limit === undefined ? undefined : `it runs ${limit} times already, which is its limit`;
  const reasons = [locked, taken].filter((reason) => reason !== undefined).join(", or ");
  const message = `The workflow "${workflowId}" does not run now: ${reasons}`;
  return new MillraceError("concurrency_exceeded", message, { headers: retryAfter() });
}

/** The key was used before, with a request that was not the same (draft-ietf-httpapi-idempotency-key-header, 2.7). */
export function idempotencyKeyReused(): MillraceError {
  return new MillraceError("idempotency_key_reused", "The Idempotency-Key came with another request before");
}

/** Whole seconds with jitter, so that callers that were refused together do not retry together. */
function retryAfter(): Record<string, string> {
  return { "retry-after": String(1 + Math.floor(Math.random() * RETRY_WITHIN_SECONDS)) };
}
