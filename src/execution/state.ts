/**
 * Folds events into the state of an execution: the same for the worker that resumes, the reader that asks, and the
 * assembler that keeps a progress document.
 *
 * @example
 * ```ts
 * const state = emptyState();
 * for await (const page of log.pages(executionId, { values: false })) for (const event of page) applyEvent(state, event);
 * ```
 */
import type { JsonValue } from "../lib/json.ts";
import type { NodeErrorData } from "../lib/errors.ts";
import type { Way } from "./claim.ts";
import type { ForkOrigin } from "./fork.ts";
import { type ExecutionStatus, isEnded, type LogEvent } from "./event.ts";
import { progressOf, type Report, takeNodeReport, takeReport } from "./progress.ts";

/** What the events say of one node. */
export interface NodeState {
  status: "running" | "waiting" | "retrying" | "completed" | "failed" | "skipped";
  /** Times are epoch milliseconds. */
  startedAt?: number;
  endedAt?: number;
  attempts: number;
  /** When its last attempt began, if that is not the first. */
  retriedAt?: number;
  /** When a node that is waiting or retrying goes on, in epoch milliseconds. */
  dueAt?: number;
  error?: NodeErrorData;
  /** What a completed node produced, and on which outputs. */
  output?: JsonValue;
  outputs?: readonly string[];
  /** The failure was handled: the workflow goes on. */
  handled?: "continue" | "branch";
  /** How far it says that this attempt is, 0 to 100; gone once it has completed. */
  percent?: number;
}

/** What the events say of an execution. Changed in place by {@linkcode applyEvent}. */
export interface RunState {
  workflowId: string;
  version: number;
  trigger: string;
  status: ExecutionStatus;
  requestedAt: number;
  startedAt?: number;
  endedAt?: number;
  /** How the execution came to its first worker. */
  way?: Way;
  /** In the order in which the nodes first appeared. */
  nodes: Map<string, NodeState>;
  /** The node that completed last. */
  lastNode: string;
  /** Nodes that completed, in the order of the log: times of two workers do not tell it. */
  completed: string[];
  /** What `settings.tags` made of its request. */
  tags?: Readonly<Record<string, string>>;
  error?: NodeErrorData;
  /** What another program that runs it reports. */
  report?: Report;
  /** The last report, by a node or by that program. */
  data?: JsonValue;
  /** The execution that it was forked from; absent if it is no fork. */
  fork?: ForkOrigin;
  /** The name of the API token that started it, if one with a name did. */
  startedBy?: string;
}

/** A state before any event. */
export function emptyState(): RunState {
  return {
    workflowId: "",
    version: 0,
    trigger: "",
    status: "pending",
    requestedAt: 0,
    nodes: new Map(),
    lastNode: "",
    completed: [],
  };
}

/** Takes one more event into the state. Events after a terminal one change nothing. */
export function applyEvent(state: RunState, event: LogEvent): void {
  if (isEnded(state.status)) return;
  switch (event.type) {
    case "execution.requested": {
      const { workflowId, version, trigger, input, fork, startedBy } = event.data;
      if (fork !== undefined) state.fork = fork;
      if (startedBy !== undefined) state.startedBy = startedBy;
      state.workflowId = workflowId;
      state.version = version;
      state.trigger = trigger;
      state.requestedAt = event.time;
      state.lastNode = trigger;
      state.nodes.set(trigger, {
        status: "completed",
        startedAt: event.time,
        endedAt: event.time,
        attempts: 1,
        output: input,
      });
      return;
    }
    case "execution.started":
      if (state.status !== "paused") state.status = "running";
      state.startedAt ??= event.time;
      if (event.data.totalSteps !== undefined) state.report = { totalSteps: event.data.totalSteps };
      if (event.data.tags !== undefined) state.tags = event.data.tags;
      state.way ??= event.data.way ?? "queue";
      return;
    case "execution.progress":
      return takeReport(state, event.data);
    case "execution.paused":
      state.status = "paused";
      return;
    case "execution.resumed":
      state.status = "running";
      return;
    case "execution.completed":
    case "execution.failed":
    case "execution.cancelled":
      state.status = event.type.slice("execution.".length) as ExecutionStatus;
      state.endedAt = event.time;
      if (event.type === "execution.failed") state.error = event.data.error;
      return;
  }
  applyNodeEvent(state, event);
}

function applyNodeEvent(state: RunState, event: LogEvent): void {
  const id = event.node;
  if (id === undefined) return;
  let node = state.nodes.get(id);
  if (node === undefined) state.nodes.set(id, node = { status: "running", attempts: 0 });
  switch (event.type) {
    case "node.started":
      node.status = "running";
      if (node.startedAt === undefined) node.startedAt = event.time;
      else node.retriedAt = event.time;
      node.attempts = event.data.attempt;
      goOn(node);
      return;
    case "node.progress":
      return takeNodeReport(state, node, event.data);
    case "node.completed":
      node.status = "completed";
      goOn(node);
      node.endedAt = event.time;
      node.output = event.data.output;
      if (event.data.outputs !== undefined) node.outputs = event.data.outputs;
      state.lastNode = id;
      state.completed.push(id);
      return;
    case "node.failed":
      node.status = "failed";
      delete node.dueAt;
      node.endedAt = event.time;
      node.error = event.data.error;
      if (event.data.handled !== undefined) node.handled = event.data.handled;
      return;
    case "node.skipped":
      node.status = "skipped";
      node.endedAt = event.time;
      return;
    case "node.retrying":
      node.status = "retrying";
      node.error = event.data.error;
      node.dueAt = event.data.retryAt;
      delete node.percent;
      return;
    case "node.waiting":
      node.status = "waiting";
      node.dueAt = event.data.until;
      return;
  }
}

/** What a node waited for, or had done so far, is over. Most nodes have neither: a `delete` costs all the same. */
function goOn(node: NodeState): void {
  if (node.dueAt !== undefined) delete node.dueAt;
  if (node.percent !== undefined) delete node.percent;
}

/** What is shown of a node. */
type ShownNode = Omit<NodeState, "output" | "outputs" | "retriedAt">;

/** The state of an execution as `GET /api/executions/<id>` answers it: no outputs. */
export interface ExecutionState {
  executionId: string;
  workflowId: string;
  version: number;
  status: ExecutionStatus;
  /** Percent of the nodes that have ended, 0 to 100, whole. */
  progress: number;
  /** The node that started last and has not ended, or null. */
  currentStep: string | null;
  nodes: Record<string, ShownNode>;
  requestedAt: number;
  startedAt?: number;
  endedAt?: number;
  tags?: Readonly<Record<string, string>>;
  /** How the execution came to its first worker; absent until it has started. */
  way?: Way;
  /** The name of the API token that started it, if one with a name did. */
  startedBy?: string;
  error?: NodeErrorData;
  /** What it is a fork of, and how it began. */
  forkOf?: Pick<ForkOrigin, "executionId" | "from" | "mode" | "workflow">;
}

/** What is shown of a state, over nodes that have not begun too when `nodeIds` names them. */
export function showState(
  executionId: string,
  state: RunState,
  options: { nodeIds?: readonly string[] } = {},
): ExecutionState {
  const { progress, currentStep } = progressOf(state, { steps: options.nodeIds?.length, at: state.requestedAt });
  const shown: [string, ShownNode][] = [];
  for (const [id, node] of state.nodes) {
    const { output: _output, outputs: _outputs, retriedAt: _retriedAt, ...rest } = node;
    shown.push([id, rest]);
  }
  return {
    executionId,
    workflowId: state.workflowId,
    version: state.version,
    status: state.status,
    progress,
    currentStep,
    nodes: Object.fromEntries(shown),
    requestedAt: state.requestedAt,
    ...(state.startedAt === undefined ? {} : { startedAt: state.startedAt }),
    ...(state.endedAt === undefined ? {} : { endedAt: state.endedAt }),
    ...(state.tags === undefined ? {} : { tags: state.tags }),
    ...(state.way === undefined ? {} : { way: state.way }),
    ...(state.startedBy === undefined ? {} : { startedBy: state.startedBy }),
    ...(state.error === undefined ? {} : { error: state.error }),
    ...(state.fork === undefined ? {} : { forkOf: shownFork(state.fork) }),
  };
}

function shownFork({ executionId, from, mode, workflow }: ForkOrigin): NonNullable<ExecutionState["forkOf"]> {
  return { executionId, ...(from !== undefined && { from }), mode, workflow };
}
