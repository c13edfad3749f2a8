/**
 * Starts an execution and waits for its reply, within a deadline.
 */
import { type ErrorCode, MillraceError } from "../lib/errors.ts";
import type { Acceptance, ExecutionRequest } from "./request.ts";
import type { ExecutionLog } from "./log.ts";
import type { ExecutionResult } from "./result.ts";
import { appendRequest, outcomeUnknown } from "./append_request.ts";
import type { OpenWait, OpenWaits } from "./open_waits.ts";
import { waitForResult } from "./wait_on_log.ts";

/** What came of starting an execution. */
export interface Started {
  /** The request's own, or that of the execution which its idempotency key had started. */
  readonly executionId: string;
  /** True for the latter. */
  readonly replayed: boolean;
  /** Absent when nobody waited, or the wait ended first. */
  readonly result?: ExecutionResult;
  /** Why the wait ended before the result, if not by its deadline; the execution runs on. */
  readonly interrupted?: "client gone" | "closing";
  /** Milliseconds until the request was appended, and from there until the reply. */
  readonly appendMs: number;
  readonly waitMs: number;
}

/** What {@linkcode startExecution} takes. */
export interface StartOptions {
  /** How long to wait for the reply; 0 does not wait. */
  readonly waitSeconds: number;
  /** Reply the moment that a node responds, not at the end; default false. */
  readonly replyEarly?: boolean;
  /** Aborts when the client goes. */
  readonly clientSignal: AbortSignal;
  /** The registry through which the call is answered when the instance closes. */
  readonly waits: OpenWaits;
  /** Called with the execution's id once the request is known to be appended. */
  readonly onAccepted?: (executionId: string) => void;
}

/** Why the wait for the reply on this instance's inbox ended without that reply. */
const CLOSING: unique symbol = Symbol("the instance closes");
const EARLIER: unique symbol = Symbol("an earlier execution has the key");

/**
 * Appends the request and waits for the reply on this instance's inbox.
 *
 * 1. The waiter is registered before the request is appended, so no reply can be too early for it.
 * 2. The waiter is freed on every way out: reply, deadline, client gone, closing, failed append, earlier execution.
 * 3. Neither a deadline, nor a client that goes, nor an instance that closes ends the execution.
 * 4. When the instance closes, callers are told of their executions after these were appended, not before.
 * 5. A caller is told that its execution runs on only if the request is known to be appended.
 *
 * A request whose idempotency key was used waits for that execution instead, on its log.
 *
 * @throws {MillraceError} what `appendRequest` throws, `too_many_waiters`, `shutting_down`, and `result_not_found` when
 * the earlier execution's result has expired
 */
export async function startExecution(
  log: ExecutionLog,
  request: ExecutionRequest,
  options: StartOptions,
): Promise<Started> {
  const { waitSeconds, replyEarly = false, clientSignal, waits, onAccepted } = options;
  const { executionId } = request;
  const timeoutMs = waitSeconds * 1000;
  const startedAt = performance.now();
  let appendedAt = startedAt;
  let accepted: Acceptance = { executionId, isNew: true };
  let wait: OpenWait | undefined;
  let isAppended = false;
  let isOver = false;

  const append = async (made: ExecutionRequest) => {
    accepted = await appendRequest(log, made, () => isOver || waits.closed || clientSignal.aborted);
    isAppended = true;
    appendedAt = performance.now();
    onAccepted?.(accepted.executionId);
  };
  const end = (outcome: Pick<Started, "result" | "interrupted">): Started => ({
    executionId: accepted.executionId,
    replayed: accepted.executionId !== executionId,
    appendMs: appendedAt - startedAt,
    waitMs: waitSeconds === 0 ? 0 : performance.now() - appendedAt,
    ...outcome,
  });

  if (waitSeconds === 0) {
    await append(request);
    return end({});
  }
  if (waits.closed) throw new MillraceError("shutting_down", "The instance is shutting down and has started nothing");
  try {
    const settled = await new Promise<ExecutionResult | typeof CLOSING | typeof EARLIER>((resolve, reject) => {
      const reply = log.awaitReply(executionId, { signal: clientSignal, timeoutMs });
      const appended = append({ ...request, replyTo: log.instance, replyEarly }).then(() => {
        if (accepted.executionId !== executionId) resolve(EARLIER);
      });
      Promise.all([reply, appended]).then(([result]) => resolve(result), reject);
      wait = waits.add(() => void appended.then(() => resolve(CLOSING), reject));
    });
    if (settled === CLOSING) return end({ interrupted: "closing" });
    if (settled !== EARLIER) return end({ result: settled });
    log.abandonReply(executionId);
    const result = await waitForResult(log, accepted.executionId, {
      timeoutMs: timeoutMs - (appendedAt - startedAt),
      signals: [clientSignal, waits.signal],
      replyEarly,
    });
    if (result === undefined) throw resultNotFound(accepted.executionId);
    if (result !== "stopped") return end({ result });
    return end(clientSignal.aborted ? { interrupted: "client gone" } : waits.closed ? { interrupted: "closing" } : {});
  } catch (error) {
    if (isTimeout(error) && error !== clientSignal.reason) {
      if (!isAppended) throw outcomeUnknown(request);
      return end({});
    }
    if (clientSignal.aborted) return end({ interrupted: "client gone" });
    throw error;
  } finally {
    isOver = true;
    if (wait !== undefined) waits.delete(wait);
    log.abandonReply(executionId);
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** The error for a result that has expired before the execution's history. */
export function resultNotFound(executionId: string): MillraceError {
  return new MillraceError("result_not_found", `The result of the execution "${executionId}" has expired`);
}

/** True for an error that proves that nothing was started. */
export function startedNothing(error: unknown): boolean {
  return error instanceof MillraceError && NOTHING_STARTED.has(error.code);
}

const NOTHING_STARTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "too_many_waiters",
  "queue_full",
  "storage_full",
  "concurrency_exceeded",
  "idempotency_key_reused",
  "shutting_down",
  "unavailable",
]);
