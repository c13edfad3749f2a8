/**
 * The nodes of one run that are under way: starts them, and says what came of each as events.
 */
import type { Clock } from "../lib/clock.ts";
import { NOT_RECORDED } from "../lib/errors.ts";
import { whenReady } from "../lib/when_ready.ts";
import type { EventData, LogEvent } from "../execution/event.ts";
import { inputOf } from "../execution/node_input.ts";
import type { ExecutionResult } from "../execution/result.ts";
import type { NodeReport } from "../workflow/definition.ts";
import type { GraphNode } from "../workflow/graph.ts";
import { interrupt } from "./advance.ts";
import { type Attempt, type AttemptContext, type Attempted, attemptNode, type Failure } from "./attempt.ts";
import { earlyReplyOf, type Ran } from "./outcome.ts";
import { ProgressReports } from "./progress_reports.ts";
import { retryDelayMs } from "./retry.ts";

/** An event that happens now, unless it says when. */
export type UntimedEvent = Pick<LogEvent, "type" | "data"> & { readonly node?: string; readonly time?: number };

/** What the nodes of a run are given. */
export interface NodeRunsOptions {
  /** The execution: its compiled workflow, its trigger and its folded state. */
  readonly ran: Ran;
  /** What every attempt at a node needs. */
  readonly context: AttemptContext;
  /** The store's clock. */
  readonly clock: Clock;
  /** Takes an event into state and journal, with a reply that is due with it. */
  readonly apply: (event: UntimedEvent, reply?: ExecutionResult) => void;
  /** Journals the events that were applied. */
  readonly flush: () => Promise<void>;
  /** Journals them within a few milliseconds. */
  readonly flushSoon: () => void;
  /** True when no further node may start. */
  readonly isPaused: () => boolean;
  /** True when the run is over: results of nodes are dropped from then on. */
  readonly isStopped: () => boolean;
  /** Hears of each node that is no longer under way, and of what went wrong besides. */
  readonly onDone: (nodeId: string, error?: unknown) => void;
}

/** Takes the reports of nodes that have ended. */
const NONE = new ProgressReports(() => {});
NONE.end();

/** Runs nodes, any number of them at once. */
export class NodeRuns {
  readonly #options: NodeRunsOptions;
  readonly #running = new Set<string>();

  constructor(options: NodeRunsOptions) {
    this.#options = options;
  }

  /** How many are under way. */
  get size(): number {
    return this.#running.size;
  }

  /** Starts a node, or goes on with one that has waited; does nothing if it is under way. */
  start(node: GraphNode): void {
    if (this.#running.has(node.id)) return;
    const { ran: { state }, apply, clock, onDone } = this.#options;
    const known = state.nodes.get(node.id);
    const input = inputOf(node, state);
    const waits = known?.status === "waiting";
    const waitedUntil = waits ? known.dueAt : undefined;
    const attempt = waits ? known.attempts : (known?.attempts ?? 0) + 1;
    const startedAt = waits ? known.retriedAt ?? known.startedAt! : clock.now();
    if (!waits) apply({ type: "node.started", time: startedAt, node: node.id, data: { attempt } });
    this.#running.add(node.id);
    const done = (error?: unknown) => {
      this.#running.delete(node.id);
      onDone(node.id, error);
    };
    const make = { input, attempt, startedAt, waitedUntil };
    try {
      const run = node.hasSideEffects ? this.#runOutside(node, make) : this.#run(node, make);
      if (run === undefined) done();
      else run.then(() => done(), done);
    } catch (error) {
      done(error);
    }
  }

  /** Runs what does something outside, once all before it is written. */
  async #runOutside(node: GraphNode, attempt: Omit<Attempt, "progress">): Promise<void> {
    const { ran: { state }, flush, isPaused, isStopped } = this.#options;
    await flush();
    if (isStopped()) return;
    // Its start is in the log, but nothing has been done: after the pause it starts again.
    if (isPaused()) return interrupt(state, node.id);
    await this.#run(node, attempt);
  }

  /** Runs a node, at once where no promise is needed. */
  #run(node: GraphNode, attempt: Omit<Attempt, "progress">): void | Promise<void> {
    // Most nodes report nothing.
    let reports: ProgressReports | undefined;
    const progress = (report: NodeReport) => (reports ??= this.#reportsOf(node.id)).take(report);
    const end = (outcome: Attempted) => {
      (reports ??= NONE).end();
      return this.#end(node, attempt.attempt, outcome);
    };
    return whenReady(attemptNode(node, { ...attempt, progress }, this.#options.context), end);
  }

  #end(node: GraphNode, attempt: number, outcome: Attempted): void | Promise<void> {
    const { ran, apply, flush, isStopped } = this.#options;
    if (isStopped()) return;
    if ("error" in outcome) return this.#failed(node, attempt, outcome);
    if ("waitUntil" in outcome) {
      return apply({ type: "node.waiting", node: node.id, data: { until: outcome.waitUntil } });
    }
    const { output, outputs } = outcome;
    ran.outputs[node.id] = output;
    const data: EventData["node.completed"] = { output };
    if (outputs !== undefined) data.outputs = outputs;
    if (node.responds) data.responds = true;
    const reply = earlyReplyOf(ran, node, output);
    apply({ type: "node.completed", node: node.id, data }, reply);
    if (reply !== undefined) return flush();
  }

  #reportsOf(node: string): ProgressReports {
    const { apply, flushSoon, isStopped } = this.#options;
    return new ProgressReports((data) => {
      if (isStopped()) return;
      apply({ type: "node.progress", node, data });
      flushSoon();
    });
  }

  /** Tries a failed node again later, or lets it fail. */
  #failed(node: GraphNode, attempt: number, { error, retryable }: Failure): void {
    const { apply, clock } = this.#options;
    const { onError, retry } = node.definition;
    const delayMs = retryable ? retryDelayMs(retry, attempt) : undefined;
    if (delayMs !== undefined) {
      const retryAt = clock.now() + delayMs;
      return apply({ type: "node.retrying", node: node.id, data: { error, attempt, delayMs, retryAt } });
    }
    const handled = onError === "fail" || error.code === NOT_RECORDED ? {} : { handled: onError };
    apply({ type: "node.failed", node: node.id, data: { error, ...handled } });
  }
}
