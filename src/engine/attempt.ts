/**
 * One attempt at a node: runs it within its time and its bounds, and says what came of it as data.
 */
import { scrub } from "../lib/credentials.ts";
import type { Clock } from "../lib/clock.ts";
import { unlessAborted } from "../lib/delay.ts";
import { checkJson, type JsonValue } from "../lib/json.ts";
import { NodeError, type NodeErrorData, RetryableError, TerminalError } from "../lib/errors.ts";
import type { Scope } from "../expression/scope.ts";
import type {
  CompiledWorkflow,
  NodeContext,
  NodeReport,
  NodeResult,
  NodeRun,
  NodeWait,
} from "../workflow/definition.ts";
import type { GraphNode } from "../workflow/graph.ts";

/** What an attempt is made with. */
export interface Attempt {
  readonly input: JsonValue;
  /** From 1. */
  readonly attempt: number;
  /** When it started, as the log has it, in epoch milliseconds: the time that expressions see. */
  readonly startedAt: number;
  /** The time that the node waited for, if it said before that it had to. */
  readonly waitedUntil?: number | undefined;
  /** Takes what the node reports of itself. */
  readonly progress: (report: NodeReport) => void;
}

/** Where an attempt is made. */
export interface AttemptContext {
  readonly executionId: string;
  readonly workflow: CompiledWorkflow;
  readonly triggerOutput: JsonValue;
  /** Outputs of the nodes that completed. */
  readonly outputs: Readonly<Record<string, JsonValue>>;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  /** By which waits go. */
  readonly clock: Clock;
  /** Aborts when the run stops; made when a node asks for it. */
  readonly signal: () => AbortSignal;
}

/** What went wrong. */
export interface Failure {
  readonly error: NodeErrorData;
  /** Running the node again may help. */
  readonly retryable: boolean;
}

/** What came of an attempt. */
export type Attempted = NodeResult | NodeWait | Failure;

/** Runs the node once; never throws nor rejects. What needs no promise comes at once. */
export function attemptNode(
  node: GraphNode,
  attempt: Attempt,
  context: AttemptContext,
): Attempted | Promise<Attempted> {
  const { timeoutSeconds } = node.definition;
  if (timeoutSeconds !== undefined) return attemptWithin(timeoutSeconds, node, attempt, context);
  try {
    const made = runNode(node, attempt, { context, signalOf: context.signal });
    if (!(made instanceof Promise)) return checked(node, made, context);
    return made.then((result) => checked(node, result, context)).catch((thrown) => failureOf(node, thrown));
  } catch (thrown) {
    return failureOf(node, thrown);
  }
}

/** As {@linkcode attemptNode}, with the node's own time. */
async function attemptWithin(
  timeoutSeconds: number,
  node: GraphNode,
  attempt: Attempt,
  context: AttemptContext,
): Promise<Attempted> {
  const limit = startLimit(timeoutSeconds, context.clock);
  const signalOf = () => AbortSignal.any([context.signal(), limit.signal]);
  try {
    const result = await unlessAborted(limit.signal, async () => await runNode(node, attempt, { context, signalOf }));
    if (!("waitUntil" in result) || result.waitUntil <= limit.endsAt) return checked(node, result, context);
    // A wait that its time does not allow ends with its time.
    return await unlessAborted(signalOf(), () => new Promise<never>(() => {}));
  } catch (thrown) {
    return failureOf(node, limit.signal.aborted ? limit.signal.reason : thrown);
  } finally {
    limit.stop();
  }
}

function runNode(
  node: GraphNode,
  attempt: Attempt,
  given: { context: AttemptContext; signalOf: () => AbortSignal },
): ReturnType<NodeRun> {
  return given.context.workflow.run.get(node.id)!(new Given(node.id, attempt, given));
}

/** The result, unless its output breaks a bound. */
function checked(node: GraphNode, result: NodeResult | NodeWait, { outputLimitBytes }: AttemptContext): Attempted {
  if ("waitUntil" in result) return result;
  const fault = checkJson(result.output, { maxDepth: 250, maxSize: outputLimitBytes });
  if (fault === undefined) return result;
  return { error: { ...OUTPUT_FAULTS[fault](outputLimitBytes), node: node.id }, retryable: false };
}

function failureOf(node: GraphNode, error: unknown): Failure {
  return { error: { ...errorData(error), node: node.id }, retryable: !(error instanceof TerminalError) };
}

/** What a node is given; what few ask for is made when they do. */
class Given implements NodeContext {
  readonly scope: Scope;
  readonly nodeId: string;
  readonly attempt: number;
  readonly waitedUntil?: number;
  readonly progress: (report: NodeReport) => void;
  readonly #context: AttemptContext;
  readonly #signalOf: () => AbortSignal;

  constructor(
    nodeId: string,
    attempt: Attempt,
    { context, signalOf }: { context: AttemptContext; signalOf: () => AbortSignal },
  ) {
    this.scope = new Seen(attempt, { context, signalOf });
    this.nodeId = nodeId;
    this.attempt = attempt.attempt;
    this.progress = attempt.progress;
    if (attempt.waitedUntil !== undefined) this.waitedUntil = attempt.waitedUntil;
    this.#context = context;
    this.#signalOf = signalOf;
  }

  get now(): () => number {
    const { clock } = this.#context;
    return () => clock.now();
  }

  get signal(): AbortSignal {
    return this.#signalOf();
  }

  get idempotencyKey(): string {
    return `${this.#context.executionId}:${this.nodeId}`;
  }

  get traceparent(): string {
    return traceparentOf(this.#context.executionId);
  }
}

/** What the expressions of a node see. */
class Seen implements Scope {
  readonly input: JsonValue;
  readonly trigger: JsonValue;
  readonly nodes: Scope["nodes"];
  readonly execution: Scope["execution"];
  readonly now: number;
  readonly #signalOf: () => AbortSignal;

  constructor(
    { input, startedAt }: Attempt,
    { context, signalOf }: { context: AttemptContext; signalOf: () => AbortSignal },
  ) {
    this.input = input;
    this.trigger = context.triggerOutput;
    this.nodes = context.outputs;
    const { executionId, workflow: { id, version } } = context;
    this.execution = { id: executionId, workflowId: id, version };
    this.now = startedAt;
    this.#signalOf = signalOf;
  }

  get signal(): AbortSignal {
    return this.#signalOf();
  }
}

const OUTPUT_FAULTS = {
  too_large: (limit: number) => ({ code: "output_too_large", message: `The output is larger than ${limit} bytes` }),
  too_deep: () => ({ code: "output_too_deep", message: "The output nests deeper than 250 levels" }),
  not_json: () => ({ code: "output_not_json", message: "The output holds what JSON cannot" }),
};

/** What went wrong, as data; what an error that no node type made says is for operators alone. */
function errorData(error: unknown): NodeErrorData {
  if (error instanceof NodeError) {
    const { code, message, detail = error.cause instanceof Error ? error.cause.message : undefined } = error;
    return { code, message, ...(detail !== undefined && { detail: scrub(detail) }) };
  }
  if (error instanceof DOMException && error.name === "AbortError") {
    return { code: "aborted", message: "The node was stopped" };
  }
  const detail = scrub(error instanceof Error ? error.message : String(error));
  return { code: "node_failed", message: "The node failed", detail };
}

/** The node's own time. */
function startLimit(
  timeoutSeconds: number,
  clock: Clock,
): { signal: AbortSignal; endsAt: number; stop: () => void } {
  const controller = new AbortController();
  const error = new RetryableError("node_timeout", `The node took longer than ${timeoutSeconds} s`);
  const timer = setTimeout(() => controller.abort(error), timeoutSeconds * 1000);
  return {
    signal: controller.signal,
    endsAt: clock.now() + timeoutSeconds * 1000,
    stop: () => clearTimeout(timer),
  };
}

/** A traceparent (W3C Trace Context, 3.2) whose trace id is the execution's UUID: all its nodes share one trace. */
function traceparentOf(executionId: string): string {
  const span = crypto.getRandomValues(new Uint8Array(8));
  span[0]! |= 1;
  const hex = Array.from(span, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `00-${executionId.replaceAll("-", "")}-${hex}-01`;
}
