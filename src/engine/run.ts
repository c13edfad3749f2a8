/**
 * Runs one claimed execution to its end, or until there is nothing to do for a while: asks {@linkcode advance} what is
 * next, runs the nodes, journals the events.
 *
 * Invariants:
 * 1. The state changes only by {@linkcode applyEvent}, and every event applied is journaled: folding the log gives
 *    the state.
 * 2. Before a node with side effects starts, everything before it is written.
 * 3. The execution has the time that was left to it when it was claimed, by the monotonic clock; times in the log, and
 *    what is due, go by the store's.
 * 4. After the signal of this run aborts, nothing more is journaled; a node that ends late is not heard.
 */
import type { Clock } from "../lib/clock.ts";
import { LONGEST_DELAY_MS } from "../lib/delay.ts";
import type { JsonValue } from "../lib/json.ts";
import { AppendRefusedError, TerminalError } from "../lib/errors.ts";
import type { LogEvent } from "../execution/event.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";
import type { Claim, WorkQueue } from "../execution/work_queue.ts";
import type { ExecutionLog } from "../execution/log.ts";
import { inputOf } from "../execution/node_input.ts";
import type { ExecutionResult, ResponseData } from "../execution/result.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import type { GraphNode } from "../workflow/graph.ts";
import { advance, type Decision, interrupt, responders } from "./advance.ts";
import { type Attempt, type AttemptContext, attemptNode, type Failure } from "./attempt.ts";
import { Journal } from "./journal.ts";
import { retryDelayMs } from "./retry.ts";
import { type RunControl, WorkerStoppedError } from "./run_control.ts";

/** What a run needs of its worker. */
export interface RunOptions {
  readonly workflow: CompiledWorkflow;
  readonly log: ExecutionLog;
  readonly queue: Pick<WorkQueue, "append" | "suspend" | "finish">;
  readonly clock: Clock;
  /** The worker's name, for `execution.started`. */
  readonly worker: string;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  readonly control: RunControl;
}

/**
 * Runs the claim to its terminal event and returns the result that was stored; `undefined` when the execution was
 * suspended instead, until a time or a resume. Throws `FencedError`, or the reason for which the control stopped it.
 */
export async function runExecution(claim: Claim, options: RunOptions): Promise<ExecutionResult | undefined> {
  return await (await Run.load(claim, options)).run();
}

/** A wait longer than this, with nothing running beside it, is left to the store's timers. */
const SUSPEND_AFTER_MS = 250;

class Run {
  readonly #claim: Claim;
  readonly #options: RunOptions;
  readonly #state: RunState;
  readonly #journal: Journal;
  readonly #outputs: Record<string, JsonValue> = Object.create(null);
  readonly #running = new Set<string>();
  readonly #context: AttemptContext;
  /** Made when a node asks for its signal: most never do. */
  #abort: AbortController | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #failure: unknown;
  #wake: (() => void) | undefined;
  #begun = false;

  private constructor(claim: Claim, options: RunOptions, state: RunState) {
    this.#claim = claim;
    this.#options = options;
    this.#state = state;
    this.#journal = new Journal(claim, options.queue, {
      onError: (error) => this.#fail(error),
      onPaused: () => options.control.pause(),
    });
    for (const [id, node] of state.nodes) if (node.output !== undefined) this.#outputs[id] = node.output;
    this.#context = {
      executionId: claim.executionId,
      workflow: options.workflow,
      trigger: this.#outputs[state.trigger] ?? null,
      outputs: this.#outputs,
      outputLimitBytes: options.outputLimitBytes,
      clock: options.clock,
      signal: () => this.#signal,
    };
  }

  /** Folds the log, or on a first delivery only what came with the claim. */
  static async load(claim: Claim, options: RunOptions): Promise<Run> {
    const state = emptyState();
    if (claim.input !== undefined) {
      const { workflowId, version, trigger, input, requestedAt: time } = claim;
      applyEvent(state, { type: "execution.requested", time, data: { workflowId, version, trigger, input } });
      return new Run(claim, options, state);
    }
    for await (const page of options.log.pages(claim.executionId)) {
      for (const event of page) applyEvent(state, event);
    }
    for (const id of [...state.nodes.keys()]) interrupt(state, id);
    return new Run(claim, options, state);
  }

  async run(): Promise<ExecutionResult | undefined> {
    const { control, workflow } = this.#options;
    const { timeoutSeconds } = workflow.definition.settings;
    const onAbort = () => this.#fail(control.signal.reason);
    control.signal.addEventListener("abort", onAbort, { once: true });
    control.onResume(() => this.#wake?.());
    const givenMs = this.#state.requestedAt + timeoutSeconds * 1000 - this.#now();
    const endsAt = performance.now() + givenMs;
    const deadline = setTimeout(() => this.#stop(TIMED_OUT), Math.min(Math.max(0, givenMs), LONGEST_DELAY_MS));
    try {
      if (control.signal.aborted) throw control.signal.reason;
      for (;;) {
        const decision = this.#decide(endsAt);
        const goesOn = decision.end !== undefined || !control.paused;
        if (goesOn) this.#carryOut(decision);
        if (decision.end !== undefined) return await this.#end(decision.end);
        const leftMs = endsAt - performance.now();
        if (!goesOn && this.#running.size === 0 && leftMs > SUSPEND_AFTER_MS) {
          if (await this.#journal.suspend({ delayMs: leftMs, forPause: true }) === "suspended") {
            return undefined;
          }
          control.resume();
          continue;
        }
        const { dueAt } = decision;
        const waitMs = dueAt === undefined ? 0 : Math.min(dueAt - this.#now(), leftMs);
        if (this.#running.size === 0 && waitMs > SUSPEND_AFTER_MS) {
          await this.#journal.suspend({ delayMs: waitMs, forPause: false });
          return undefined;
        }
        if (this.#stopped === undefined) await this.#change(dueAt);
        if (this.#failure !== undefined) throw this.#failure;
      }
    } catch (error) {
      // Another worker goes on from here: what ended is not to be run again.
      if (error instanceof WorkerStoppedError) await this.#journal.flush();
      if (error instanceof AppendRefusedError) return await this.#endRefused(error);
      throw error;
    } finally {
      clearTimeout(deadline);
      control.signal.removeEventListener("abort", onAbort);
      this.#journal.discard();
      this.#stop(ENDED);
    }
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #decide(endsAt: number): Decision {
    const { graph, definition } = this.#options.workflow;
    const isOver = performance.now() >= endsAt || this.#stopped?.reason === TIMED_OUT;
    if (!isOver) return advance(graph, this.#state, this.#now());
    const message = `The execution took longer than ${definition.settings.timeoutSeconds} s`;
    const error = { code: "execution_timeout", message };
    return { start: [], skip: [], end: { status: "failed", error } };
  }

  /** Says once that this claim runs the execution. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#apply({ type: "execution.started", data: { epoch: this.#claim.epoch, worker: this.#options.worker } });
  }

  #carryOut(decision: Decision): void {
    this.#begin();
    for (const node of decision.skip) this.#apply({ type: "node.skipped", node, data: {} });
    for (const id of decision.start) {
      if (!this.#running.has(id)) this.#start(this.#options.workflow.graph.get(id)!);
    }
  }

  /** Waits until a node has ended, is due, or the run is stopped. */
  async #change(dueAt: number | undefined): Promise<void> {
    this.#journal.flushSoon();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (dueAt !== undefined) {
        timer = setTimeout(resolve, Math.min(Math.max(0, dueAt - this.#now()), LONGEST_DELAY_MS));
      }
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #start(node: GraphNode): void {
    const known = this.#state.nodes.get(node.id);
    const input = inputOf(node, this.#state);
    const waited = known?.status === "waiting" ? { waitedUntil: known.dueAt! } : {};
    const attempt = known?.status === "waiting" ? known.attempts : (known?.attempts ?? 0) + 1;
    if (known?.status !== "waiting") this.#apply({ type: "node.started", node: node.id, data: { attempt } });
    this.#running.add(node.id);
    this.#work(node, { input, attempt, ...waited })
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#running.delete(node.id);
        this.#wake?.();
      });
  }

  async #work(node: GraphNode, attempt: Attempt): Promise<void> {
    if (node.hasSideEffects) {
      await this.#journal.flush();
      if (this.#stopped !== undefined) return;
      // Its start is in the log, but nothing has been done: after the pause it starts again.
      if (this.#options.control.paused) return interrupt(this.#state, node.id);
    }
    const outcome = await attemptNode(node, attempt, this.#context);
    if (this.#stopped !== undefined) return;
    if ("error" in outcome) return this.#failed(node, attempt.attempt, outcome);
    if ("waitUntil" in outcome) {
      return this.#apply({ type: "node.waiting", node: node.id, data: { until: outcome.waitUntil } });
    }
    const { output, outputs } = outcome;
    this.#outputs[node.id] = output;
    const data = { output, ...(outputs && { outputs }), ...(node.responds && { responds: true as const }) };
    const reply = this.#replyOf(node, output);
    this.#apply({ type: "node.completed", node: node.id, data }, reply);
    if (reply !== undefined) await this.#journal.flush();
  }

  /** What the caller is told the moment that the first node that responds completes, if it asked for that. */
  #replyOf({ responds }: GraphNode, output: JsonValue): ExecutionResult | undefined {
    const { replyEarly, executionId } = this.#claim;
    if (!replyEarly || !responds || this.#responder() !== undefined) return undefined;
    return { executionId, status: "responded", response: output as unknown as ResponseData };
  }

  /** The node whose response is the execution's: the last, or the one that its caller has been answered with. */
  #responder(): string | undefined {
    const found = responders(this.#options.workflow.graph, this.#state);
    return this.#claim.replyEarly ? found[0] : found.at(-1);
  }

  /** Tries a failed node again later, or lets it fail. */
  #failed(node: GraphNode, attempt: number, { error, retryable }: Failure): void {
    const { onError, retry } = node.definition;
    const delayMs = retryable ? retryDelayMs(retry, attempt) : undefined;
    if (delayMs !== undefined) {
      const retryAt = this.#now() + delayMs;
      return this.#apply({ type: "node.retrying", node: node.id, data: { error, attempt, delayMs, retryAt } });
    }
    const handled = onError === "fail" ? {} : { handled: onError };
    this.#apply({ type: "node.failed", node: node.id, data: { error, ...handled } });
  }

  #apply(event: Pick<LogEvent, "type" | "data"> & { node?: string }, reply?: ExecutionResult): void {
    const complete = { ...event, time: this.#now() } as LogEvent;
    applyEvent(this.#state, complete);
    this.#journal.add(complete, reply);
  }

  async #end(end: NonNullable<Decision["end"]>): Promise<ExecutionResult> {
    const { executionId } = this.#claim;
    const node = this.#responder();
    const responder = node === undefined ? {} : { responseNode: node };
    this.#stop(ENDED);
    if (end.status === "failed") {
      const last = { type: "execution.failed", time: this.#now(), data: { error: end.error, ...responder } } as const;
      // A caller that was answered early gets the same answer when it asks again.
      const answered = this.#claim.replyEarly && node !== undefined
        ? { response: this.#outputs[node] as unknown as ResponseData }
        : {};
      return await this.#finish(last, { executionId, status: "failed", error: end.error, ...answered });
    }
    const data = { lastNode: end.lastNode, ...responder };
    const last = { type: "execution.completed", time: this.#now(), data } as const;
    const output = this.#outputs[end.lastNode] ?? null;
    if (node === undefined) return await this.#finish(last, { executionId, status: "completed", output });
    const response = this.#outputs[node] as unknown as ResponseData;
    return await this.#finish(last, { executionId, status: "completed", response, output });
  }

  /** The store takes no more of this execution than its end. */
  async #endRefused({ code, message }: AppendRefusedError): Promise<ExecutionResult> {
    const error = { code, message };
    const result: ExecutionResult = { executionId: this.#claim.executionId, status: "failed", error };
    this.#stop(ENDED);
    await this.#journal.finishAlone({
      last: { type: "execution.failed", time: this.#now(), data: { error } },
      result,
    });
    return result;
  }

  async #finish(last: LogEvent, result: ExecutionResult): Promise<ExecutionResult> {
    applyEvent(this.#state, last);
    await this.#journal.finish({ last, result });
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
const TIMED_OUT = new TerminalError("execution_timeout", "The execution took too long");
