/**
 * Waiting on an execution's log: for callers who did not start the execution, or not on this instance.
 */
import { entryIdBefore, isTerminal, type StoredEvent } from "./event.ts";
import type { ExecutionLog } from "./log.ts";
import type { ExecutionResult, ResponseData } from "./result.ts";
import { executionLost } from "./refusals.ts";

/** What {@linkcode waitOnLog} takes. */
export interface LogWait {
  readonly timeoutMs: number;
  /** Each of them ends the wait. */
  readonly signals: readonly (AbortSignal | undefined)[];
  /** An event besides the terminal one that ends the wait. */
  readonly until?: (event: StoredEvent) => boolean;
}

/**
 * Follows a log, from its beginning, to the event that ends the wait and returns that one, without its large value.
 *
 * @returns `"expired"` when there is no log any more, `"lost"` when it went without such an event, `"stopped"` when the time was over or a signal
 * aborted before
 */
export async function waitOnLog(
  log: ExecutionLog,
  executionId: string,
  options: LogWait,
): Promise<StoredEvent | "expired" | "lost" | "stopped"> {
  const { timeoutMs, signals, until } = options;
  const controller = new AbortController();
  let hasBegun = false;
  const stop = () => controller.abort();
  const timer = setTimeout(stop, timeoutMs);
  for (const signal of signals) {
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  }
  try {
    for await (const event of log.tail(executionId, { signal: controller.signal, values: false })) {
      if (isTerminal(event) || until?.(event)) return event;
      hasBegun = true;
    }
    return controller.signal.aborted ? "stopped" : hasBegun ? "lost" : "expired";
  } catch (error) {
    if (controller.signal.aborted) return "stopped";
    throw error;
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal?.removeEventListener("abort", stop);
  }
}

/** What {@linkcode waitForResult} takes. */
export interface ResultWait extends Omit<LogWait, "until"> {
  /** The first response that a node made ends the wait, as it does for a `responseNode` webhook's first caller. */
  readonly replyEarly: boolean;
}

/**
 * Waits for what the first caller of an execution was answered with, or will be. It is the same whether the execution
 * runs, has answered, or has ended.
 *
 * @returns `undefined` when an ended execution's result has expired
 * @throws {MillraceError} `execution_lost`
 */
export async function waitForResult(
  log: ExecutionLog,
  executionId: string,
  options: ResultWait,
): Promise<ExecutionResult | "stopped" | undefined> {
  const { replyEarly, ...wait } = options;
  // The stored result has the response that was made last, so the log tells which one was sent.
  const stored = replyEarly ? undefined : await log.result(executionId);
  if (stored !== undefined) return stored;
  const last = await waitOnLog(log, executionId, {
    ...wait,
    ...(replyEarly && { until: isResponse }),
  });
  if (last === "stopped") return last;
  if (last === "lost") throw executionLost(executionId);
  if (last !== "expired" && last.type === "node.completed") {
    // It was followed without its values.
    const [event] = await log.read(executionId, { after: entryIdBefore(last.id), limit: 1 });
    if (event?.type !== "node.completed") return await log.result(executionId);
    return { executionId, status: "responded", response: event.data.output as unknown as ResponseData };
  }
  return await log.result(executionId);
}

/** True for the completion of a node that responds, as the log says. */
function isResponse(event: StoredEvent): boolean {
  return event.type === "node.completed" && event.data.responds === true;
}
