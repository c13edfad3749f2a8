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
import { Past } from "./past.ts";
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
  const nodes = [...workflow.run].map(([id, run]) => stubbedNode(workflow.graph.get(id)!, run));
  return (record) => {
    const against = new Against(record, limits);
    const run = new Map<string, NodeRun>();
    for (const node of nodes) run.set(node.node.id, (context) => runStubbed(node, context, against));
    return { ...workflow, graph, run };
  };
}

function withoutEffects(node: GraphNode): GraphNode {
  const { retry: _retry, ...definition } = node.definition;
  return { ...node, definition, hasSideEffects: false };
}

/** A node, and what is known of it whatever it is run against. */
interface StubbedNode {
  readonly node: GraphNode;
  readonly run: NodeRun;
  /** Its parameters draw random numbers, or read the outputs of other nodes: rather too often than not often enough. */
  readonly isRandom: boolean;
  readonly readsNodes: boolean;
  /** Whether its type and parameters are those of a recorded version: for the one that was compared last. */
  isAlike(before: NodeDefinition | undefined): boolean;
}

function stubbedNode(node: GraphNode, run: NodeRun): StubbedNode {
  const { definition } = node;
  const text = JSON.stringify(definition.parameters);
  let last: { before: NodeDefinition | undefined; alike: boolean } | undefined;
  return {
    node,
    run,
    isRandom: /\$(random|shuffle)\b/.test(text),
    readsNodes: /\$nodes\b/.test(text),
    isAlike(before) {
      if (last === undefined || last.before !== before) {
        const alike = before?.type === definition.type && sameJson(before.parameters, definition.parameters);
        last = { before, alike };
      }
      return last.alike;
    },
  };
}

/** A record, with what its nodes saw. */
class Against {
  readonly record: StubRecord;
  readonly limits: ExpressionLimits | undefined;
  #nodes: Record<string, JsonValue> | undefined;

  constructor(record: StubRecord, limits: ExpressionLimits | undefined) {
    this.record = record;
    this.limits = limits;
  }

  /** The definition of the recorded node, if it is known. */
  before(id: string): NodeDefinition | undefined {
    return this.record.workflow?.graph.get(id)?.definition;
  }

  /** What the node saw when it was recorded; its version must be known. */
  scope(id: string, now: Scope): Scope {
    const { recording: { state }, workflow, execution } = this.record;
    if (this.#nodes === undefined) {
      this.#nodes = Object.create(null) as Record<string, JsonValue>;
      for (const [id, { output }] of state.nodes) if (output !== undefined) this.#nodes[id] = output;
    }
    const input = inputOf(workflow!.graph.get(id)!, state);
    const trigger = this.#nodes[state.trigger] ?? null;
    return {
      ...{ input, trigger, nodes: this.#nodes, execution },
      ...(now.now !== undefined && { now: now.now }),
      // Read, it is made: only where an evaluation takes long.
      get signal() {
        return now.signal!;
      },
    };
  }
}

async function runStubbed(stubbed: StubbedNode, context: NodeContext, against: Against): Promise<NodeResult> {
  const { node, run } = stubbed;
  const { recording: { state }, times, execution } = against.record;
  const past = new Past(context, times.startedAt.get(node.id) ?? times.state.requestedAt, execution);
  if (node.hasSideEffects) return await answerOf(stubbed, past.scope, against);
  if (stubbed.isRandom) {
    const known = state.nodes.get(node.id);
    const answer = known !== undefined && isGivenTheSame(stubbed, past.scope, against) ? recorded(known) : undefined;
    if (answer !== undefined) return answer;
  }
  let result = await run(past);
  while ("waitUntil" in result) {
    past.waitUntil(result.waitUntil);
    result = await run(past);
  }
  return result;
}

/** What the record says that the node came to; `undefined` when it did not end. Throws its failure. */
function recorded({ status, output, outputs, error }: NodeState): NodeResult | undefined {
  if (status === "completed") return { output: output ?? null, ...(outputs && { outputs: [...outputs] }) };
  if (status !== "failed" || error === undefined) return undefined;
  throw new TerminalError(error.code, error.message, error.detail === undefined ? {} : { detail: error.detail });
}

async function answerOf(stubbed: StubbedNode, scope: Scope, against: Against): Promise<NodeResult> {
  const known = against.record.recording.state.nodes.get(stubbed.node.id);
  if (known === undefined || known.status === "skipped") throw notRecorded("the node did not run");
  if (!await isSameCall(stubbed, scope, against)) throw notRecorded("it was another call");
  const answer = recorded(known);
  if (answer === undefined) throw notRecorded("the node did not end");
  return answer;
}

function notRecorded(why: string): TerminalError {
  return new TerminalError(NOT_RECORDED, `The record has no answer to this call: ${why}`);
}

/** Throws what keeps the call from being made now. */
async function isSameCall(stubbed: StubbedNode, scope: Scope, against: Against): Promise<boolean> {
  if (against.record.workflow === undefined) return true;
  const { id, definition } = stubbed.node;
  const before = against.before(id);
  if (before?.type !== definition.type) return false;
  if (isGivenTheSame(stubbed, scope, against)) return true;
  const { limits } = against;
  const call = await evaluate(definition, scope, limits);
  try {
    return sameJson(call, await evaluate(before, against.scope(id, scope), limits));
  } catch (error) {
    if (error instanceof NodeError) return false;
    throw error;
  }
}

/** True when the node is what it was, and all that it reads too: then what it comes to is the same. */
function isGivenTheSame(stubbed: StubbedNode, scope: Scope, against: Against): boolean {
  const { id } = stubbed.node;
  const before = against.before(id);
  if (before === undefined || !stubbed.isAlike(before)) return false;
  const then = against.scope(id, scope);
  if (!sameJson(scope.input, then.input) || !sameJson(scope.trigger, then.trigger)) return false;
  if (!stubbed.readsNodes) return true;
  return Object.keys(scope.nodes).every((id) =>
    then.nodes[id] !== undefined && sameJson(scope.nodes[id]!, then.nodes[id])
  );
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
    if (!isTemplate) template = () => parameters;
    templates.set(parameters, template);
  }
  return await template(scope);
}
