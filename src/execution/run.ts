/**
 * Runs one claimed execution to its end: asks {@linkcode advance} what is next, runs the nodes, journals the events.
 *
 * Invariants:
 * 1. The state changes only by {@linkcode applyEvent}, and every event applied is journaled: folding the log gives
 *    the state.
 * 2. Before a node with side effects starts, everything before it is written.
 * 3. After the signal of this run aborts, nothing more is journaled; a node that ends late is not heard.
 */
import type { JsonValue } from "../json.ts";
import { checkJson } from "../json.ts";
import { type NodeErrorData, RetryableError, TerminalError } from "../errors.ts";
import type { LogEvent } from "../log/event.ts";
import { applyEvent, emptyState, type RunState } from "../log/fold.ts";
import type { Claim, ExecutionLog, ExecutionResult, ResponseData, WorkQueue } from "../log/port.ts";
import type { CompiledWorkflow, NodeResult } from "../workflow/definition.ts";
import type { GraphNode } from "../workflow/graph.ts";
import { advance, type Decision, inputOf } from "./advance.ts";
import { Journal } from "./journal.ts";

/** What a run needs of its worker. */
export interface RunOptions {
  readonly workflow: CompiledWorkflow;
  readonly log: ExecutionLog;
  readonly queue: WorkQueue;
  /** The worker's name, for `execution.started`. */
  readonly worker: string;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  readonly historyTtlSeconds: number;
  /** Aborts when the claim is lost or the execution is cancelled; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** Runs the claim to its terminal event and returns the result that was stored. Throws `FencedError`. */
export async function runExecution(claim: Claim, options: RunOptions): Promise<ExecutionResult> {
  const run = await Run.load(claim, options);
  return await run.toEnd();
}

class Run {
  readonly #claim: Claim;
  readonly #options: RunOptions;
  readonly #state: RunState;
  readonly #journal: Journal;
  readonly #outputs: Record<string, JsonValue> = Object.create(null);
  readonly #running = new Set<string>();
  /** Made when a node asks for its signal: most never do. */
  #abort: AbortController | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #failure: unknown;
  #wake: (() => void) | undefined;

  private constructor(claim: Claim, options: RunOptions, state: RunState, sequence: number) {
    this.#claim = claim;
    this.#options = options;
    this.#state = state;
    this.#journal = new Journal(claim, options.queue, { sequence, onError: (error) => this.#fail(error) });
    for (const [id, node] of state.nodes) if (node.output !== undefined) this.#outputs[id] = node.output;
  }

  /** Folds the log, or on a first delivery only what came with the claim. */
  static async load(claim: Claim, options: RunOptions): Promise<Run> {
    const state = emptyState();
    if (claim.sequence !== undefined && claim.input !== undefined) {
      const { workflowId, version, trigger, input, requestedAt: time } = claim;
      applyEvent(state, { type: "execution.requested", time, data: { workflowId, version, trigger, input } });
      return new Run(claim, options, state, claim.sequence);
    }
    const events = await options.log.read(claim.executionId);
    for (const event of events) applyEvent(state, event);
    for (const [id, node] of state.nodes) if (node.endedAt === undefined) state.nodes.delete(id);
    return new Run(claim, options, state, events.length);
  }

  async toEnd(): Promise<ExecutionResult> {
    const { signal, workflow } = this.#options;
    const onAbort = () => this.#fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const leftMs = this.#state.requestedAt + workflow.definition.settings.timeoutSeconds * 1000 - Date.now();
    let timedOut: NodeErrorData | undefined;
    const deadline = setTimeout(() => {
      const seconds = workflow.definition.settings.timeoutSeconds;
      timedOut = { code: "execution_timeout", message: `The execution took longer than ${seconds} s` };
      this.#stop(new TerminalError(timedOut.code, timedOut.message));
    }, Math.max(0, Math.min(leftMs, 2 ** 31 - 1)));
    try {
      if (signal.aborted) throw signal.reason;
      this.#apply({ type: "execution.started", data: { epoch: this.#claim.epoch, worker: this.#options.worker } });
      for (;;) {
        const decision: Decision = timedOut === undefined
          ? advance(workflow.graph, this.#state)
          : { start: [], skip: [], end: { status: "failed", error: timedOut } };
        if (decision.end !== undefined) return await this.#end(decision.end);
        for (const node of decision.skip) this.#apply({ type: "node.skipped", node, data: {} });
        for (const id of decision.start) this.#start(workflow.graph.get(id)!);
        if (this.#running.size > 0 && this.#stopped === undefined) await this.#nextToEnd();
        if (this.#failure !== undefined) throw this.#failure;
      }
    } finally {
      clearTimeout(deadline);
      signal.removeEventListener("abort", onAbort);
      this.#journal.discard();
      this.#stop(ENDED);
    }
  }

  /** Waits until a node has ended, or the run is stopped. */
  async #nextToEnd(): Promise<void> {
    this.#journal.flushSoon();
    await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = undefined;
  }

  #start(node: GraphNode): void {
    const attempt = (this.#state.nodes.get(node.id)?.attempts ?? 0) + 1;
    const input = inputOf(node, this.#state);
    this.#apply({ type: "node.started", node: node.id, data: { attempt } });
    this.#running.add(node.id);
    this.#work(node, { input, attempt })
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#running.delete(node.id);
        this.#wake?.();
      });
  }

  async #work(node: GraphNode, { input, attempt }: { input: JsonValue; attempt: number }): Promise<void> {
    if (node.hasSideEffects) await this.#journal.flush();
    const outcome = await this.#try(node, { input, attempt });
    if (this.#stopped !== undefined) return;
    if ("error" in outcome) {
      const { onError } = node.definition;
      const handled = onError === "fail" ? {} : { handled: onError };
      this.#apply({ type: "node.failed", node: node.id, data: { error: outcome.error, ...handled } });
      return;
    }
    const { output, outputs } = outcome;
    this.#outputs[node.id] = output;
    this.#apply({
      type: "node.completed",
      node: node.id,
      data: outputs === undefined ? { output } : { output, outputs },
    });
    if (this.#claim.replyEarly && node.definition.type === "httpResponse") {
      const response = output as unknown as ResponseData;
      await this.#journal.flush({ reply: { executionId: this.#claim.executionId, status: "responded", response } });
    }
  }

  /** One attempt at a node: its result, or what went wrong as data. */
  async #try(
    node: GraphNode,
    { input, attempt }: { input: JsonValue; attempt: number },
  ): Promise<NodeResult | { error: NodeErrorData }> {
    const { workflow, outputLimitBytes } = this.#options;
    const { executionId } = this.#claim;
    const { timeoutSeconds } = node.definition;
    const limit = timeoutSeconds === undefined ? undefined : new AbortController();
    const timer = limit && setTimeout(() => {
      limit.abort(new RetryableError("node_timeout", `The node took longer than ${timeoutSeconds} s`));
    }, timeoutSeconds! * 1000);
    const signalOf = () => limit === undefined ? this.#signal : AbortSignal.any([this.#signal, limit.signal]);
    try {
      const done = workflow.run.get(node.id)!({
        scope: {
          input,
          trigger: this.#outputs[this.#state.trigger] ?? null,
          nodes: this.#outputs,
          execution: { id: executionId, workflowId: workflow.id, version: workflow.version },
        },
        nodeId: node.id,
        attempt,
        idempotencyKey: `${executionId}:${node.id}`,
        get signal() {
          return signalOf();
        },
        get traceparent() {
          return traceparentOf(executionId);
        },
      });
      const result = limit === undefined ? await done : await Promise.race([done, rejectOn(limit.signal)]);
      const fault = checkJson(result.output, { maxDepth: 250, maxSize: outputLimitBytes });
      if (fault === undefined) return result;
      return { error: { ...OUTPUT_FAULTS[fault](outputLimitBytes), node: node.id } };
    } catch (error) {
      return { error: { ...errorData(limit?.signal.aborted ? limit.signal.reason : error), node: node.id } };
    } finally {
      clearTimeout(timer);
    }
  }

  #apply(event: Pick<LogEvent, "type" | "data"> & { node?: string }): void {
    const complete = { ...event, time: Date.now() } as LogEvent;
    applyEvent(this.#state, complete);
    this.#journal.add(complete);
  }

  async #end(end: NonNullable<Decision["end"]>): Promise<ExecutionResult> {
    const { executionId } = this.#claim;
    const { responseNode } = end;
    const responder = responseNode === undefined ? {} : { responseNode };
    this.#stop(ENDED);
    if (end.status === "failed") {
      this.#apply({ type: "execution.failed", data: { error: end.error, ...responder } });
      return await this.#finish({ executionId, status: "failed", error: end.error });
    }
    this.#apply({ type: "execution.completed", data: { lastNode: end.lastNode, ...responder } });
    const output = this.#outputs[end.lastNode] ?? null;
    if (responseNode === undefined) return await this.#finish({ executionId, status: "completed", output });
    const response = this.#outputs[responseNode] as unknown as ResponseData;
    return await this.#finish({ executionId, status: "completed", response, output });
  }

  async #finish(result: ExecutionResult): Promise<ExecutionResult> {
    const { historyTtlSeconds, workflow } = this.#options;
    const { resultTtlSeconds, saveExecutionToDatabase } = workflow.definition.settings;
    await this.#journal.finish({
      result,
      resultTtlSeconds,
      historyTtlSeconds: saveExecutionToDatabase ? Math.max(historyTtlSeconds, resultTtlSeconds) : resultTtlSeconds,
    });
    return result;
  }

  /** Stops the nodes that still run; what they do from now on is not heard. */
  #stop(reason: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = { reason };
    this.#abort?.abort(reason);
    this.#wake?.();
  }

  #fail(error: unknown): void {
    this.#failure ??= error ?? new Error("aborted");
    this.#stop(error);
  }

  /** Aborts when the run stops. */
  get #signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#stopped !== undefined) this.#abort.abort(this.#stopped.reason);
    }
    return this.#abort.signal;
  }
}

const ENDED = new TerminalError("aborted", "The execution ended");

const OUTPUT_FAULTS = {
  too_large: (limit: number) => ({ code: "output_too_large", message: `The output is larger than ${limit} bytes` }),
  too_deep: () => ({ code: "output_too_deep", message: "The output nests deeper than 250 levels" }),
  not_json: () => ({ code: "output_not_json", message: "The output holds what JSON cannot" }),
};

/** What went wrong, as data; an error that no node type meant to show keeps its message to itself. */
export function errorData(error: unknown): NodeErrorData {
  if (error instanceof TerminalError) return { code: error.code, message: error.message };
  if (error instanceof DOMException && error.name === "AbortError") {
    return { code: "aborted", message: "The node was stopped" };
  }
  return { code: "node_failed", message: error instanceof Error ? error.message : String(error) };
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** A traceparent (W3C Trace Context, 3.2) whose trace id is the execution's UUID: all its nodes share one trace. */
function traceparentOf(executionId: string): string {
  const span = crypto.getRandomValues(new Uint8Array(8));
  span[0]! |= 1;
  const hex = Array.from(span, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `00-${executionId.replaceAll("-", "")}-${hex}-01`;
}
