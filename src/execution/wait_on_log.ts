/**
 * Waits on an execution's log: for callers that did not start the execution on this instance.
 */
import { isTerminal, type StoredEvent } from "./event.ts";
import { entryIdBefore } from "../lib/entry_id.ts";
import type { ExecutionLog } from "./log.ts";
import type { Interruption, Replies, Reply, ReplyWait } from "./replies.ts";
import type { ExecutionResult, ResponseData } from "./result.ts";
import { executionLost } from "./refusals.ts";

/** The ports through which a log is waited on. */
export interface LogPorts {
  readonly log: ExecutionLog;
  readonly replies: Replies;
}

/** What {@linkcode waitOnLog} takes. */
export interface LogWait extends ReplyWait {
  /** An event besides the terminal one that ends the wait. */
  readonly until?: (event: StoredEvent) => boolean;
}

/**
 * Follows a log, from its beginning, to the event that ends the wait and returns that one, without its large value.
 *
 * @returns `"expired"` when there is no log any more, `"lost"` when it went without such an event, or why the wait
 * ended before
 */
export async function waitOnLog(
  { log, replies }: LogPorts,
  executionId: string,
  options: LogWait,
): Promise<StoredEvent | "expired" | "lost" | Interruption> {
  const { until, ...wait } = options;
  const follower = replies.follow(wait);
  let hasBegun = false;
  try {
    for await (const event of log.tail(executionId, { signal: follower.signal, values: false })) {
      if (isTerminal(event) || until?.(event)) return event;
      hasBegun = true;
    }
    return follower.interrupted ?? (hasBegun ? "lost" : "expired");
  } catch (error) {
    if (follower.interrupted !== undefined) return follower.interrupted;
    throw error;
  } finally {
    follower.end();
  }
}

/** What {@linkcode waitForResult} takes. */
export interface ResultWait extends ReplyWait {
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
  ports: LogPorts,
  executionId: string,
  options: ResultWait,
): Promise<Reply | undefined> {
  const { log } = ports;
  const { replyEarly, ...wait } = options;
  // The stored result has the response that was made last, so the log tells which one was sent.
  const stored = replyEarly ? undefined : await log.result(executionId);
  if (stored !== undefined) return { result: stored };
  const last = await waitOnLog(ports, executionId, {
    ...wait,
    ...(replyEarly && { until: isResponse }),
  });
  if (last === "lost") throw executionLost(executionId);
  if (typeof last === "string" && last !== "expired") return { interrupted: last };
  const result = last !== "expired" && last.type === "node.completed"
    ? await readResponse(log, executionId, last.id)
    : await log.result(executionId);
  return result && { result };
}

/** The response that an event of the log carries, which was followed without its values. */
async function readResponse(log: ExecutionLog, executionId: string, id: string): Promise<ExecutionResult | undefined> {
  const [event] = await log.read(executionId, { after: entryIdBefore(id), limit: 1 });
  if (event?.type !== "node.completed") return await log.result(executionId);
  return { executionId, status: "responded", response: event.data.output as unknown as ResponseData };
}

/** True for the completion of a node that responds, as the log says. */
function isResponse(event: StoredEvent): boolean {
  return event.type === "node.completed" && event.data.responds === true;
}
