/**
 * A workflow that is run against a recording: nothing goes outside, and nothing waits.
 *
 * 1. A node with side effects answers as it did, if it makes the same call; one that makes another call, or has made
 *    none, fails with `not_recorded`, whatever its `onError` says.
 * 2. A node whose parameters draw random numbers answers as it did, if it is the same and is given the same.
 * 3. Every other node is run. The time that its expressions see is that of the record, and so is `$execution`.
 * 4. Waits are over at once, and nothing is tried again: the last failure is the one that the record has.
 *
 * Two calls are the same when their node types and their evaluated parameters are. Where the version that was recorded
 * is no longer known nothing can be compared, and the node's name decides.
 */
import { NodeError, NOT_RECORDED, TerminalError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import { sameJson } from "../lib/same_json.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import { compileTemplate } from "../expression/template.ts";
import type { Scope, Template } from "../expression/scope.ts";
import { inputOf } from "../execution/node_input.ts";
import type { NodeState } from "../execution/state.ts";
import type { CompiledWorkflow, NodeContext, NodeDefinition, NodeResult, NodeRun } from "../workflow/definition.ts";
import type { Graph, GraphNode } from "../workflow/graph.ts";
import type { Recording } from "./recording.ts";

/** What a workflow is run against. */
export interface StubRecord {
  readonly recording: Recording;
  /** The version that was recorded, if it is still known. */
  readonly workflow: CompiledWorkflow | undefined;
  /** Whose times nodes see. */
  readonly times: Recording;
  /** What `$execution` says. */
  readonly execution: Scope["execution"];
}

/** Makes a workflow that is run against a recording; several may be run at once. */
export type Stub = (record: StubRecord) => CompiledWorkflow;

/**
 * Prepares a workflow to be run against recordings.
 *
 * @param options.limits of the expressions with which calls are compared
 */
export function stubOf(workflow: CompiledWorkflow, options: { limits?: ExpressionLimits | undefined } = {}): Stub {
  const { limits } = options;
  const graph: Graph = new Map([...workflow.graph].map(([id, node]) => [id, withoutEffects(node)]));
  return (record) => {
    const run = new Map<string, NodeRun>();
    for (const [id, runNode] of workflow.run) {
      run.set(id, stubRun(workflow.graph.get(id)!, runNode, { ...record, limits }));
    }
    return { ...workflow, graph, run };
  };
}

interface Against extends StubRecord {
  readonly limits: ExpressionLimits | undefined;
}

function withoutEffects(node: GraphNode): GraphNode {
  const { retry: _retry, ...definition } = node.definition;
  return { ...node, definition, hasSideEffects: false };
}

function stubRun(node: GraphNode, run: NodeRun, record: Against): NodeRun {
  const { recording: { state }, times } = record;
  const then = times.startedAt.get(node.id) ?? times.state.requestedAt;
  return async (context) => {
    const made = inThePast(context, then, record.execution);
    if (node.hasSideEffects) return await answerOf(node, made.scope, record);
    const known = state.nodes.get(node.id);
    if (known !== undefined && isRandom(node.definition) && isGivenTheSame(node, made.scope, record)) {
      const answer = recorded(known);
      if (answer !== undefined) return answer;
    }
    let result = await run(made);
    while ("waitUntil" in result) {
      const { waitUntil } = result;
      result = await run({ ...made, signal: context.signal, waitedUntil: waitUntil, now: () => waitUntil });
    }
    return result;
  };
}

/** The same, at another time and in another execution. */
function inThePast(context: NodeContext, then: number, execution: Scope["execution"]): NodeContext {
  const { scope: { input, trigger, nodes }, nodeId, attempt, idempotencyKey, waitedUntil } = context;
  return {
    scope: {
      input,
      trigger,
      nodes,
      execution,
      now: then,
      get signal() {
        return context.signal;
      },
    },
    nodeId,
    attempt,
    idempotencyKey,
    ...(waitedUntil !== undefined && { waitedUntil }),
    isStub: true,
    progress: () => {},
    inlineWaitMs: -1,
    now: () => then,
    get signal() {
      return context.signal;
    },
    get traceparent() {
      return context.traceparent;
    },
  };
}

/** What the record says that the node came to; `undefined` when it did not end. Throws its failure. */
function recorded({ status, output, outputs, error }: NodeState): NodeResult | undefined {
  if (status === "completed") return { output: output ?? null, ...(outputs && { outputs: [...outputs] }) };
  if (status !== "failed" || error === undefined) return undefined;
  throw new TerminalError(error.code, error.message, error.detail === undefined ? {} : { detail: error.detail });
}

async function answerOf(node: GraphNode, scope: Scope, record: Against): Promise<NodeResult> {
  const known = record.recording.state.nodes.get(node.id);
  if (known === undefined || known.status === "skipped") throw notRecorded("the node did not run");
  if (!await isSameCall(node, scope, record)) throw notRecorded("it was another call");
  const answer = recorded(known);
  if (answer === undefined) throw notRecorded("the node did not end");
  return answer;
}

function notRecorded(why: string): TerminalError {
  return new TerminalError(NOT_RECORDED, `The record has no answer to this call: ${why}`);
}

/** Throws what keeps the call from being made now. */
async function isSameCall(node: GraphNode, scope: Scope, record: Against): Promise<boolean> {
  const { workflow, limits } = record;
  if (workflow === undefined) return true;
  const before = workflow.graph.get(node.id)?.definition;
  if (before?.type !== node.definition.type) return false;
  if (isGivenTheSame(node, scope, record)) return true;
  const call = await evaluate(node.definition, scope, limits);
  try {
    return sameJson(call, await evaluate(before, recordedScope(node.id, scope, record), limits));
  } catch (error) {
    if (error instanceof NodeError) return false;
    throw error;
  }
}

/** True when the node is what it was, and all that it reads too: then what it comes to is the same. */
function isGivenTheSame(node: GraphNode, scope: Scope, record: StubRecord): boolean {
  const { workflow } = record;
  const before = workflow?.graph.get(node.id)?.definition;
  if (workflow === undefined || before === undefined || before.type !== node.definition.type) return false;
  if (!sameJson(before.parameters, node.definition.parameters)) return false;
  const then = recordedScope(node.id, scope, record);
  if (!sameJson(scope.input, then.input) || !sameJson(scope.trigger, then.trigger)) return false;
  if (!reads(node.definition, /\$nodes\b/)) return true;
  return Object.keys(scope.nodes).every((id) =>
    then.nodes[id] !== undefined && sameJson(scope.nodes[id]!, then.nodes[id])
  );
}

/** What the node saw when it was recorded. */
function recordedScope(id: string, scope: Scope, { recording: { state }, workflow }: StubRecord): Scope {
  const nodes: Record<string, JsonValue> = Object.create(null);
  for (const [id, { output }] of state.nodes) if (output !== undefined) nodes[id] = output;
  const input = inputOf(workflow!.graph.get(id)!, state);
  return { ...scope, input, trigger: nodes[state.trigger] ?? null, nodes };
}

/** Parameters by the objects that they are, as they are compiled. */
const templates = new WeakMap<object, Template>();

async function evaluate(
  { parameters }: NodeDefinition,
  scope: Scope,
  limits: ExpressionLimits | undefined,
): Promise<JsonValue> {
  let template = templates.get(parameters);
  if (template === undefined) {
    let isTemplate = true;
    template = compileTemplate(parameters, { pointer: "", fault: () => isTemplate = false, ...(limits && { limits }) });
    // What only looks like an expression is compared as it stands.
    if (!isTemplate) template = () => Promise.resolve(parameters);
    templates.set(parameters, template);
  }
  return await template(scope);
}

function isRandom(definition: NodeDefinition): boolean {
  return reads(definition, /\$(random|shuffle)\b/);
}

/** Whether the text of the parameters has this in it: rather too often than not often enough. */
function reads({ parameters }: NodeDefinition, pattern: RegExp): boolean {
  return pattern.test(JSON.stringify(parameters));
}
