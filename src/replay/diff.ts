/**
 * Compares two runs, node by node.
 *
 * @example
 * ```ts
 * const { same, nodes } = diffRuns({ recording: a, workflow: one }, { recording: b, workflow: two });
 * ```
 */
import type { JsonValue } from "../lib/json.ts";
import { type NodeErrorData, publicError } from "../lib/errors.ts";
import type { ExecutionStatus } from "../execution/event.ts";
import { inputOf } from "../execution/node_input.ts";
import type { NodeState, RunState } from "../execution/state.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { sameJson } from "../lib/same_json.ts";
import type { Recording } from "./recording.ts";

/** A run and the version that it ran; without that the inputs of its nodes are unknown. */
export interface ComparedRun {
  readonly recording: Pick<Recording, "executionId" | "state">;
  readonly workflow?: CompiledWorkflow | undefined;
}

/** The values of both runs. */
export interface Pair<T> {
  readonly a: T | null;
  readonly b: T | null;
}

/** Whether a value is the same in both runs; `a` and `b` are present only when it differs. */
export interface ComparedValue {
  readonly same: boolean;
  readonly a?: JsonValue;
  readonly b?: JsonValue;
}

/** A property of a node that can differ. */
export type NodeAspect = "status" | "input" | "output" | "error";

/** The comparison of one node. */
export interface NodeDiff {
  readonly node: string;
  /** True when nothing but the duration differs. */
  readonly same: boolean;
  readonly changed: readonly NodeAspect[];
  /** `null` when the run did not reach the node, or its workflow does not have it. */
  readonly status: Pair<NodeState["status"]>;
  /** Milliseconds from the node's first start to its end; `null` when either is missing. */
  readonly durationMs: Pair<number>;
  /** Absent when neither run has an input, or a workflow is no longer known. */
  readonly input?: ComparedValue;
  readonly output?: ComparedValue;
  readonly error?: Pair<Omit<NodeErrorData, "detail">>;
}

/** One of the two runs. */
export interface ComparedSummary {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly durationMs: number | null;
  readonly error?: Omit<NodeErrorData, "detail">;
}

/** The comparison of two runs. */
export interface RunDiff {
  readonly a: ComparedSummary;
  readonly b: ComparedSummary;
  /** True when status, error and every node are the same; durations are ignored. */
  readonly same: boolean;
  /** Every node of either run, in the order in which they first appeared. */
  readonly nodes: readonly NodeDiff[];
}

/** Compares two runs. */
export function diffRuns(a: ComparedRun, b: ComparedRun): RunDiff {
  const [left, right] = [a.recording.state, b.recording.state];
  const ids = new Set([...left.nodes.keys(), ...right.nodes.keys()]);
  const nodes = [...ids].map((id) => diffNode(id, a, b));
  const error = sameJson(errorOf(left) ?? null, errorOf(right) ?? null);
  return {
    a: summaryOf(a.recording),
    b: summaryOf(b.recording),
    same: left.status === right.status && error && nodes.every(({ same }) => same),
    nodes,
  };
}

function diffNode(node: string, a: ComparedRun, b: ComparedRun): NodeDiff {
  const [left, right] = [a.recording.state.nodes.get(node), b.recording.state.nodes.get(node)];
  const known = a.workflow !== undefined && b.workflow !== undefined;
  const input = known ? compare(nodeInput(node, a), nodeInput(node, b)) : undefined;
  const output = compare(left?.output, right?.output);
  const [leftError, rightError] = [errorOf(left), errorOf(right)];
  const changed: NodeAspect[] = [];
  if (left?.status !== right?.status || !sameOutputs(left, right)) changed.push("status");
  if (input?.same === false) changed.push("input");
  if (output?.same === false) changed.push("output");
  if (!sameJson(leftError ?? null, rightError ?? null)) changed.push("error");
  return {
    node,
    same: changed.length === 0,
    changed,
    status: { a: left?.status ?? null, b: right?.status ?? null },
    durationMs: { a: durationOf(left), b: durationOf(right) },
    ...(input && { input }),
    ...(output && { output }),
    ...((leftError ?? rightError) && { error: { a: leftError ?? null, b: rightError ?? null } }),
  };
}

/** Whether a node delivered on the same outputs: a switch may pass the same value on to another one. */
function sameOutputs(a: NodeState | undefined, b: NodeState | undefined): boolean {
  return sameJson([...a?.outputs ?? ["main"]], [...b?.outputs ?? ["main"]]);
}

/** The input of a node; `undefined` for a trigger, whose output is the request. */
function nodeInput(id: string, { recording: { state }, workflow }: ComparedRun): JsonValue | undefined {
  const node = workflow?.graph.get(id);
  return node === undefined || node.isTrigger || !state.nodes.has(id) ? undefined : inputOf(node, state);
}

function compare(a: JsonValue | undefined, b: JsonValue | undefined): ComparedValue | undefined {
  if (a === undefined && b === undefined) return undefined;
  if (a !== undefined && b !== undefined && sameJson(a, b)) return { same: true };
  return { same: false, ...(a !== undefined && { a }), ...(b !== undefined && { b }) };
}

function errorOf(state: Pick<NodeState | RunState, "error"> | undefined): Omit<NodeErrorData, "detail"> | undefined {
  return state?.error && publicError(state.error);
}

function durationOf(node: NodeState | undefined): number | null {
  if (node?.startedAt === undefined || node.endedAt === undefined) return null;
  return Math.max(0, node.endedAt - node.startedAt);
}

function summaryOf({ executionId, state }: ComparedRun["recording"]): ComparedSummary {
  const { workflowId, version, status, requestedAt, endedAt } = state;
  const error = errorOf(state);
  return {
    executionId,
    workflowId,
    version,
    status,
    durationMs: endedAt === undefined ? null : Math.max(0, endedAt - requestedAt),
    ...(error && { error }),
  };
}
