/**
 * Makes the request that starts an execution, with the bounds from its workflow's settings.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Mutable } from "../lib/mutable.ts";
import type { ForkOrigin } from "./fork.ts";
import type { Concurrency, ExecutionRequest, Idempotency } from "./request.ts";
import type { ExecutionLog } from "./log.ts";
import type { CompiledWorkflow, WorkflowSettings } from "../workflow/definition.ts";

/** What {@linkcode makeRequest} takes. */
export interface RequestParts {
  /** The version that the execution runs, to its end. */
  readonly workflow: CompiledWorkflow;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** The trigger node's output. */
  readonly input: JsonValue;
  /** How long the history of a saved execution is kept after its end, in seconds, at least. */
  readonly historyTtlSeconds: number;
  /** Absent: the request is not deduplicated. */
  readonly idempotency?: Idempotency | undefined;
  /** The execution that it was forked from; absent if it is no fork. */
  readonly fork?: ForkOrigin | undefined;
  /** The name of the API token that starts it. Default none. */
  readonly startedBy?: string | undefined;
  /** What happens while as many run as may; absent: what the workflow's settings say. */
  readonly onOverlap?: WorkflowSettings["onOverlap"];
  /** The requester runs it, and reports its events. */
  readonly external?: { readonly timeoutSeconds?: number | undefined };
}

/** True where other programs run the execution, who ask for it: a fork never is one of these. */
export function isHandedOut({ workflow, trigger, fork }: Pick<RequestParts, "workflow" | "trigger" | "fork">): boolean {
  return fork === undefined &&
    workflow.webhooks.some(({ nodeId, executor }) => nodeId === trigger && executor === "external");
}

/** A request under a new id; where its workflow has a lock, `locked` is still to be called. */
export function makeRequest(log: Pick<ExecutionLog, "makeId">, parts: RequestParts): ExecutionRequest {
  const { workflow: { id: workflowId, version, definition }, trigger, input, idempotency, fork } = parts;
  const { startedBy } = parts;
  const timeoutSeconds = parts.external?.timeoutSeconds ?? definition.settings.timeoutSeconds;
  const settings = requestSettings({ ...definition.settings, timeoutSeconds }, parts);
  const external = parts.external !== undefined ? "reported" : isHandedOut(parts) ? "taken" : undefined;
  const executionId = log.makeId({
    workflowId,
    limited: settings.concurrency !== undefined,
    ...(idempotency !== undefined && { idempotencyKey: idempotency.key }),
  });
  const request: Mutable<ExecutionRequest> = {
    ...settings,
    executionId,
    workflowId,
    version,
    trigger,
    input,
  };
  if (fork !== undefined) request.fork = fork;
  if (startedBy !== undefined) request.startedBy = startedBy;
  if (external !== undefined) request.external = external;
  return request;
}

/**
 * The bounds of an execution, from its workflow's settings: how long its result and history are kept, how long it may
 * take, and how many of its kind may be under way. The result of an execution that is saved lives on with its history
 * while its idempotency key does, to answer it; a key never makes anything be kept for longer than without it, so where
 * nothing is saved it only tells, once the result has expired, that nothing starts again.
 */
export function requestSettings(
  settings: WorkflowSettings,
  options: Pick<RequestParts, "historyTtlSeconds" | "idempotency" | "onOverlap">,
): Pick<
  ExecutionRequest,
  "resultTtlSeconds" | "historyTtlSeconds" | "timeoutMs" | "idempotency" | "concurrency"
> {
  const { historyTtlSeconds, idempotency } = options;
  const { saveExecutionToDatabase, timeoutSeconds } = settings;
  const keptSeconds = saveExecutionToDatabase
    ? Math.max(historyTtlSeconds, settings.resultTtlSeconds)
    : settings.resultTtlSeconds;
  const concurrency = concurrencyOf({ ...settings, onOverlap: options.onOverlap ?? settings.onOverlap });
  return {
    resultTtlSeconds: Math.max(settings.resultTtlSeconds, Math.min(keptSeconds, idempotency?.ttlSeconds ?? 0)),
    historyTtlSeconds: keptSeconds,
    timeoutMs: timeoutSeconds * 1000,
    ...(idempotency !== undefined && { idempotency }),
    ...(concurrency !== undefined && { concurrency }),
  };
}

/** `onOverlap` alone asks for one at a time; beside a lock, for one at a time of each value. */
function concurrencyOf({ concurrency, lock, onOverlap }: WorkflowSettings): Concurrency | undefined {
  if (concurrency === undefined && lock === undefined && onOverlap === undefined) return undefined;
  const limit = concurrency ?? (lock === undefined ? 1 : undefined);
  return { ...(limit !== undefined && { limit }), onOverlap: onOverlap === "skip" ? "reject" : onOverlap ?? "queue" };
}
