/**
 * One attempt at a node: runs it within its time and its bounds, and says what came of it as data.
 */
import { scrub } from "../lib/credentials.ts";
import type { Clock } from "../lib/clock.ts";
import { unlessAborted } from "../lib/delay.ts";
import { checkJson, type JsonValue } from "../lib/json.ts";
import { NodeError, type NodeErrorData, RetryableError, TerminalError } from "../lib/errors.ts";
import type { Scope } from "../expression/scope.ts";
import type { CompiledWorkflow, NodeContext, NodeReport, NodeResult, NodeWait } from "../workflow/definition.ts";
import type { GraphNode } from "../workflow/graph.ts";

/** What an attempt is made with. */
export interface Attempt {
  readonly input: JsonValue;
  /** From 1. */
  readonly attempt: number;
  /** When it started, as the log has it, in epoch milliseconds: the time that expressions see. */
  readonly startedAt: number;
  /** The time that the node waited for, if it said before that it had to. */
  readonly waitedUntil?: number;
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

/** Runs the node once; never throws. */
export async function attemptNode(
  node: GraphNode,
  attempt: Attempt,
  context: AttemptContext,
): Promise<NodeResult | NodeWait | Failure> {
  const { workflow, outputLimitBytes, clock, signal } = context;
  const { timeoutSeconds } = node.definition;
  const limit = timeoutSeconds === undefined ? undefined : startLimit(timeoutSeconds, clock);
  const signalOf = () => limit === undefined ? signal() : AbortSignal.any([signal(), limit.signal]);
  try {
    const done = workflow.run.get(node.id)!(new Given(node.id, attempt, { context, signalOf }));
    const result = limit === undefined ? await done : await unlessAborted(limit.signal, () => done);
    if ("waitUntil" in result) {
      // A wait that its time does not allow ends with its time.
      return limit === undefined || result.waitUntil <= limit.endsAt
        ? result
        : await unlessAborted(signalOf(), () => new Promise<never>(() => {}));
    }
    const fault = checkJson(result.output, { maxDepth: 250, maxSize: outputLimitBytes });
    if (fault === undefined) return result;
    return { error: { ...OUTPUT_FAULTS[fault](outputLimitBytes), node: node.id }, retryable: false };
  } catch (thrown) {
    const error = limit?.signal.aborted ? limit.signal.reason : thrown;
    const retryable = !(error instanceof TerminalError);
    return { error: { ...errorData(error), node: node.id }, retryable };
  } finally {
    limit?.stop();
  }
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
