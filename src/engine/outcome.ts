/**
 * What an execution's caller is answered, and with what the execution ends: pure functions of its state.
 */
import type { JsonValue } from "../lib/json.ts";
import type { NodeErrorData } from "../lib/errors.ts";
import type { Claim } from "../execution/claim.ts";
import type { LogEvent } from "../execution/event.ts";
import type { RunState } from "../execution/state.ts";
import type { ExecutionResult, ResponseData } from "../execution/result.ts";
import type { Graph, GraphNode } from "../workflow/graph.ts";
import { type Decision, responders } from "./advance.ts";

/** An execution that was run. */
export interface Ran {
  readonly claim: Claim;
  readonly graph: Graph;
  readonly state: RunState;
  /** Outputs of the nodes that completed. */
  readonly outputs: Record<string, JsonValue>;
}

/** The terminal event, and the result that is stored with it. */
export interface Outcome {
  readonly last: LogEvent;
  readonly result: ExecutionResult;
}

/**
 * What the caller is told the moment that a node completes: its output, if it is the first one that responds and the
 * caller asked for that.
 */
export function earlyReplyOf(ran: Ran, { responds }: GraphNode, output: JsonValue): ExecutionResult | undefined {
  const { replyEarly, executionId } = ran.claim;
  if (!replyEarly || !responds || responderOf(ran) !== undefined) return undefined;
  return { executionId, status: "responded", response: output as unknown as ResponseData };
}

/** The terminal event and the result of an execution that has ended. */
export function outcomeOf(ran: Ran, end: NonNullable<Decision["end"]>, time: number): Outcome {
  const { claim: { executionId, replyEarly }, outputs } = ran;
  const node = responderOf(ran);
  const response = node === undefined ? undefined : outputs[node] as unknown as ResponseData;
  if (end.status === "failed") {
    const { error } = end;
    const result = { executionId, status: end.status, error };
    return {
      last: { type: "execution.failed", time, data: node === undefined ? { error } : { error, responseNode: node } },
      // A caller that was answered early gets the same answer when it asks again.
      result: replyEarly && response !== undefined ? { ...result, response } : result,
    };
  }
  const { status, lastNode } = end;
  const output = outputs[lastNode] ?? null;
  return {
    last: {
      type: "execution.completed",
      time,
      data: node === undefined ? { lastNode } : { lastNode, responseNode: node },
    },
    result: response === undefined ? { executionId, status, output } : { executionId, status, response, output },
  };
}

/** How an execution ends that fails for a reason outside of its nodes. */
export function failureOf(executionId: string, error: NodeErrorData, time: number): Outcome {
  return {
    last: { type: "execution.failed", time, data: { error } },
    result: { executionId, status: "failed", error },
  };
}

/** The node whose response is the execution's: the last, or the one that its caller has been answered with. */
function responderOf({ claim, graph, state }: Ran): string | undefined {
  const found = responders(graph, state);
  return claim.replyEarly ? found[0] : found.at(-1);
}
