/**
 * Makes the result of an ended execution of its log, as the worker that ended it stored it.
 */
import type { ExecutionStatus, StoredEvent } from "./event.ts";
import type { ExecutionResult, ResponseData } from "./result.ts";
import type { JsonValue } from "../lib/json.ts";
import type { NodeErrorData } from "../lib/errors.ts";

/** What is known of the result without the log. */
export interface ResultSummary {
  readonly executionId: string;
  readonly status: ExecutionStatus;
  /** The node whose output is the execution's; absent where it did not complete. */
  readonly lastNode?: string;
  /** The node whose output is the response. */
  readonly responseNode?: string;
  readonly error?: NodeErrorData;
}

/** The result, with the outputs that stand in the pages of its log. */
export async function resultOf(
  { executionId, status, lastNode, responseNode, error }: ResultSummary,
  pages: AsyncIterable<StoredEvent[]>,
): Promise<ExecutionResult> {
  const wanted = new Set([lastNode, responseNode].filter((node) => node !== undefined));
  const outputs = new Map<string, JsonValue>();
  if (wanted.size > 0) {
    for await (const page of pages) {
      for (const event of page) {
        if (event.type === "execution.requested" && wanted.has(event.data.trigger)) {
          outputs.set(event.data.trigger, event.data.input);
        } else if (event.type === "node.completed" && wanted.has(event.node!)) {
          outputs.set(event.node!, event.data.output);
        }
      }
    }
  }
  const response = responseNode === undefined ? undefined : outputs.get(responseNode) as unknown as ResponseData;
  return {
    executionId,
    status,
    ...(error !== undefined && { error }),
    ...(response !== undefined && { response }),
    ...(lastNode !== undefined && { output: outputs.get(lastNode) ?? null }),
  };
}
