/**
 * Events: the immutable facts of which an execution's log consists.
 *
 * A stream entry has the fields `type`, `time`, `node` (if any) and `data` (one JSON text).
 */
import type { JsonValue } from "../lib/json.ts";
import type { NodeErrorData } from "../lib/errors.ts";
import type { Way } from "./claim.ts";
import type { ForkOrigin } from "./fork.ts";

/** What each type of event carries in `data`. */
export interface EventData {
  /** First entry of every log. */
  "execution.requested": {
    workflowId: string;
    version: number;
    /** The id of the trigger node. */
    trigger: string;
    /** The trigger node's output: for a webhook `{method, path, params, headers, query, body}`. */
    input: JsonValue;
    /** The execution that it was forked from; absent if it is no fork. */
    fork?: ForkOrigin;
    /** The name of the API token that started it, if one with a name did. */
    startedBy?: string;
  };
  /**
   * A worker claimed the execution, for the `epoch`-th time; over the work queue unless `way` says otherwise. `tags` is
   * what `settings.tags` made of its request.
   */
  "execution.started": {
    epoch: number;
    worker: string;
    way?: Way;
    totalSteps?: number;
    tags?: Record<string, string>;
  };
  /** Another program that runs the execution reports how far it is; `percent` is 0 to 100. */
  "execution.progress": {
    percent?: number;
    totalSteps?: number;
    completedSteps?: number;
    currentStep?: string;
    data?: JsonValue;
  };
  "execution.paused": Record<string, never>;
  "execution.resumed": Record<string, never>;
  /** `lastNode` names the node whose output is the execution's; `responseNode` the node that responded. */
  "execution.completed": { lastNode: string; responseNode?: string };
  "execution.failed": { error: NodeErrorData; responseNode?: string };
  "execution.cancelled": { reason?: string };
  "node.started": { attempt: number };
  /** What a node reports of itself: `{percent?, data?}`, the percentage 0 to 100; in a log from elsewhere anything. */
  "node.progress": JsonValue;
  /**
   * `outputs` names the outputs that deliver, `["main"]` if it is absent; `responds`: `output` is a response; `recorded`:
   * it was not run, but taken from the record that the execution is a fork of.
   */
  "node.completed": { output: JsonValue; outputs?: string[]; responds?: true; recorded?: true };
  /** `handled`: the workflow goes on, by `onError` `continue` or `branch`. */
  "node.failed": { error: NodeErrorData; handled?: "continue" | "branch" };
  "node.skipped": Record<string, never>;
  /** The `attempt`-th try failed; the next one is due at `retryAt`, `delayMs` from then. */
  "node.retrying": { error: NodeErrorData; attempt: number; delayMs: number; retryAt: number };
  /** The node waits until `until` (epoch milliseconds), wherever it goes on then. */
  "node.waiting": { until: number };
}

/** The name of a lifecycle fact. */
export type EventType = keyof EventData;

/** One fact, not yet stored. `time` is epoch milliseconds. */
export type LogEvent = {
  [T in EventType]: {
    readonly type: T;
    readonly time: number;
    readonly node?: string;
    readonly data: EventData[T];
  };
}[EventType];

/** One fact as the log holds it; `id` is its stream entry id, `<ms>-<n>`, growing within a log. */
export type StoredEvent = LogEvent & { readonly id: string };

const TERMINAL: ReadonlySet<string> = new Set(["execution.completed", "execution.failed", "execution.cancelled"]);

/** True for the event that ends an execution. */
export function isTerminal(event: { readonly type: string }): boolean {
  return TERMINAL.has(event.type);
}

/** Every state that a whole execution can be in. */
export const EXECUTION_STATUSES = ["pending", "running", "paused", "completed", "failed", "cancelled"] as const;

/** The state of a whole execution. */
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];

/** True for a status that nothing follows. */
export function isEnded(status: ExecutionStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
