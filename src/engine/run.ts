/**
 * Runs one claimed execution to its end, or until there is nothing to do for a while: asks {@linkcode Frontier} what is
 * next, runs the nodes, journals the events.
 *
 * Invariants:
 * 1. The state changes only by {@linkcode applyEvent}, and every event applied is journaled: folding the log gives
 *    the state.
 * 2. Before a node with side effects starts, everything before it is written.
 * 3. The execution has the time that was left to it when it was claimed, by the monotonic clock; times in the log, and
 *    what is due, go by the store's.
 * 4. After the signal of this run aborts, nothing more is journaled; the result of a node that ends late is dropped.
 */
import { Deadline } from "../lib/deadline.ts";
import { LONGEST_DELAY_MS } from "../lib/delay.ts";
import type { JsonValue } from "../lib/json.ts";
import { AppendRefusedError, TerminalError } from "../lib/errors.ts";
import type { LogEvent } from "../execution/event.ts";
import { applyEvent, type RunState } from "../execution/state.ts";
import type { Claim } from "../execution/claim.ts";
import type { ExecutionResult } from "../execution/result.ts";
import { type Decision, Frontier } from "./advance.ts";
import type { RunOptions } from "./run_options.ts";
import { startFork } from "./start_fork.ts";
import { Journal } from "./journal.ts";
import { loadState } from "./load_state.ts";
import { NodeRuns, type UntimedEvent } from "./node_runs.ts";
import { failureOf, type Outcome, outcomeOf, type Ran } from "./outcome.ts";
import { tagsOf } from "./tags.ts";
import { WorkerStoppedError } from "./run_control.ts";

/**
 * Runs the claim to its terminal event and returns the result that was stored; `undefined` when the execution was
 * suspended instead, until a time or a resume. Throws `FencedError`, or the reason for which the control stopped it.
 */
export async function runExecution(claim: Claim, options: RunOptions): Promise<ExecutionResult | undefined> {
  const loaded = options.state ?? loadState(claim, options.log);
  // Mostly there is nothing to wait for, and to wait costs a turn of promises.
  const state = loaded instanceof Promise ? await loaded : loaded;
  const fork = state.fork === undefined ? undefined : await startFork(state, options);
  return await new Run(claim, fork === undefined ? options : { ...options, ...fork }, state).run();
}

/** A wait longer than this, with nothing running beside it, is left to the store's timers. */
const SUSPEND_AFTER_MS = 250;

class Run {
  readonly #claim: Claim;
  readonly #options: RunOptions;
  readonly #state: RunState;
  readonly #frontier: Frontier;
  readonly #journal: Journal;
  readonly #ran: Ran;
  readonly #nodes: NodeRuns;
  /** Created when a node first reads its signal: most never do. */
  #abort: AbortController | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #failure: unknown;
  #wake: (() => void) | undefined;
  /** A node has ended since the last decision. */
  #changed = false;
  #begun = false;
  #tags: Record<string, string> | undefined;

  constructor(claim: Claim, options: RunOptions, state: RunState) {
    this.#claim = claim;
    this.#options = options;
    this.#state = state;
    this.#frontier = new Frontier(options.workflow.graph, state);
    this.#journal = new Journal(claim, options.queue, {
      onError: (error) => this.#fail(error),
      onPaused: () => options.control.pause(),
    });
    for (const event of options.taken ?? []) this.#apply(event);
    const outputs: Record<string, JsonValue> = Object.create(null);
    for (const [id, node] of state.nodes) if (node.output !== undefined) outputs[id] = node.output;
    const { workflow, outputLimitBytes, clock, control } = options;
    this.#ran = { claim, graph: workflow.graph, state, outputs };
    this.#nodes = new NodeRuns({
      ran: this.#ran,
      context: {
        executionId: claim.executionId,
        workflow,
        triggerOutput: outputs[state.trigger] ?? null,
        outputs,
        outputLimitBytes,
        clock,
        signal: () => this.#signal,
      },
      clock,
      apply: (event, reply) => this.#apply(event, reply),
      flush: () => this.#journal.flush(),
      flushSoon: () => this.#journal.flushSoon(),
      isPaused: () => control.paused,
      isStopped: () => this.#stopped !== undefined,
      onDone: (nodeId, error) => {
        this.#changed = true;
        this.#frontier.touch(nodeId);
        if (error !== undefined) this.#fail(error);
        this.#wake?.();
      },
    });
  }

  async run(): Promise<ExecutionResult | undefined> {
    const { control, workflow } = this.#options;
    const { timeoutSeconds } = workflow.definition.settings;
    control.onStop((reason) => this.#fail(reason));
    control.onResume(() => this.#wake?.());
    const givenMs = this.#state.requestedAt + timeoutSeconds * 1000 - this.#now();
    const endsAt = performance.now() + givenMs;
    const deadline = new Deadline(givenMs, () => this.#stop(TIMED_OUT));
    try {
      if (control.stopped !== undefined) throw control.stopped.reason;
      if (workflow.tags !== undefined && this.#state.startedAt === undefined) this.#tags = await this.#makeTags();
      for (;;) {
        this.#changed = false;
        const decision = this.#decide(endsAt);
        const goesOn = decision.end !== undefined || !control.paused;
        if (goesOn) this.#carryOut(decision);
        if (decision.end !== undefined) return await this.#end(outcomeOf(this.#ran, decision.end, this.#now()));
        if (this.#failure !== undefined) throw this.#failure;
        // Nodes ended as soon as they were started.
        if (this.#changed) continue;
        const leftMs = endsAt - performance.now();
        if (!goesOn && this.#nodes.size === 0 && leftMs > SUSPEND_AFTER_MS) {
          const outcome = await this.#journal.suspend({ delayMs: leftMs, forPause: true });
          if (outcome === "suspended") return undefined;
          control.resume();
          continue;
        }
        const { dueAt } = decision;
        const waitMs = dueAt === undefined ? 0 : Math.min(dueAt - this.#now(), leftMs);
        if (this.#nodes.size === 0 && waitMs > SUSPEND_AFTER_MS) {
          await this.#journal.suspend({ delayMs: waitMs, forPause: false });
          return undefined;
        }
        if (this.#stopped === undefined) await this.#change(dueAt);
        if (this.#failure !== undefined) throw this.#failure;
      }
    } catch (error) {
      // Another worker resumes here: nodes that ended must not run again.
      if (error instanceof WorkerStoppedError) await this.#journal.flush();
      if (error instanceof AppendRefusedError) return await this.#endRefused(error);
      throw error;
    } finally {
      deadline.leave();
      control.onStop(undefined);
      this.#journal.discard();
      this.#stop(ENDED);
    }
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #decide(endsAt: number): Decision {
    const { workflow: { definition }, refusal } = this.#options;
    if (refusal !== undefined) return { start: [], skip: [], end: { status: "failed", error: refusal } };
    const isOver = performance.now() >= endsAt || this.#stopped?.reason === TIMED_OUT;
    if (!isOver) return this.#frontier.decide(this.#now());
    const message = `The execution took longer than ${definition.settings.timeoutSeconds} s`;
    const error = { code: TIMED_OUT.code, message };
    return { start: [], skip: [], end: { status: "failed", error } };
  }

  #makeTags(): Promise<Record<string, string>> {
    const { requestedAt: now, trigger } = this.#state;
    const triggerOutput = this.#ran.outputs[trigger] ?? null;
    return tagsOf(this.#options.workflow, { executionId: this.#claim.executionId, triggerOutput, now });
  }

  /** Journals `execution.started`, once for this claim. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const { epoch, way } = this.#claim;
    const data = { epoch, worker: this.#options.worker, ...(way !== "queue" && { way }) };
    this.#apply({ type: "execution.started", data: this.#tags === undefined ? data : { ...data, tags: this.#tags } });
  }

  #carryOut(decision: Decision): void {
    this.#begin();
    for (const node of decision.skip) this.#apply({ type: "node.skipped", node, data: {} });
    for (const id of decision.start) this.#nodes.start(this.#options.workflow.graph.get(id)!);
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

  #apply(event: UntimedEvent, reply?: ExecutionResult): void {
    const { type, time = this.#now(), node, data } = event;
    const complete = (node === undefined ? { type, time, data } : { type, time, node, data }) as LogEvent;
    applyEvent(this.#state, complete);
    if (complete.node !== undefined) this.#frontier.touch(complete.node);
    this.#journal.add(complete, reply);
  }

  async #end({ last, result }: Outcome): Promise<ExecutionResult> {
    this.#stop(ENDED);
    applyEvent(this.#state, last);
    await this.#journal.finish(last, result);
    return result;
  }

  /** Ends an execution whose log accepts nothing more but its terminal event. */
  async #endRefused({ code, message }: AppendRefusedError): Promise<ExecutionResult> {
    const outcome = failureOf(this.#claim.executionId, { code, message }, this.#now());
    this.#stop(ENDED);
    await this.#journal.finishAlone(outcome.last, outcome.result);
    return outcome.result;
  }

  /** Aborts the nodes that still run; their results are dropped from now on. */
  #stop(reason: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = { reason };
    this.#abort?.abort(reason);
    this.#wake?.();
  }

  #fail(error: unknown): void {
    this.#stop(this.#failure ??= error ?? new Error("aborted"));
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
