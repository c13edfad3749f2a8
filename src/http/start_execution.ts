/**
 * Starts an execution and waits for its reply, within a deadline.
 */
import type { WorkflowSettings } from "../workflow/definition.ts";
import { type ExecutionLog, type ExecutionRequest, type ExecutionResult, WAIT_OVER } from "../log/port.ts";

/** What came of starting an execution. */
export interface Started {
  /** Absent when nobody waited, or the wait ended first. */
  readonly result?: ExecutionResult;
  /** The client went away while it waited; the execution runs on. */
  readonly clientGone?: true;
  /** Milliseconds until the request was appended, and from there until the reply. */
  readonly appendMs: number;
  readonly waitMs: number;
}

/** What {@linkcode startExecution} takes. */
export interface StartOptions {
  /** How long to wait for the reply; 0 does not wait. */
  readonly waitSeconds: number;
  /** Reply the moment that the `httpResponse` node completes. */
  readonly replyEarly?: boolean;
  /** Aborts when the client goes. */
  readonly clientSignal: AbortSignal;
}

/**
 * Appends the request and waits for the reply on this instance's inbox.
 *
 * 1. The waiter is registered before the request is appended, so no reply can be too early for it.
 * 2. The waiter is freed on every way out: reply, deadline, client gone, failed append.
 * 3. Neither a deadline nor a client that goes ends the execution.
 *
 * @throws `too_many_waiters` and `unavailable` as a `MillraceError`
 */
export async function startExecution(
  log: ExecutionLog,
  request: ExecutionRequest,
  options: StartOptions,
): Promise<Started> {
  const { waitSeconds, replyEarly = false, clientSignal } = options;
  const startedAt = performance.now();
  if (waitSeconds === 0) {
    await log.request(request);
    return { appendMs: performance.now() - startedAt, waitMs: 0 };
  }
  let appendedAt = startedAt;
  try {
    const timeoutMs = waitSeconds * 1000;
    const reply = log.awaitReply(request.executionId, { signal: clientSignal, timeoutMs });
    const appended = log.request({ ...request, replyTo: log.instance, replyEarly })
      .then(() => appendedAt = performance.now());
    const [result] = await Promise.all([reply, appended]);
    return { result, appendMs: appendedAt - startedAt, waitMs: performance.now() - appendedAt };
  } catch (error) {
    const times = { appendMs: appendedAt - startedAt, waitMs: performance.now() - appendedAt };
    if (error === WAIT_OVER) return times;
    if (clientSignal.aborted) return { ...times, clientGone: true };
    log.abandonReply(request.executionId);
    throw error;
  }
}

/** How long an execution's result and history are kept, from its workflow's settings. */
export function retention(
  settings: WorkflowSettings,
  historyTtlSeconds: number,
): Pick<ExecutionRequest, "resultTtlSeconds" | "historyTtlSeconds"> {
  const { resultTtlSeconds, saveExecutionToDatabase } = settings;
  return {
    resultTtlSeconds,
    historyTtlSeconds: saveExecutionToDatabase ? Math.max(historyTtlSeconds, resultTtlSeconds) : resultTtlSeconds,
  };
}
