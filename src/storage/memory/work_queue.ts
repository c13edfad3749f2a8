/**
 * The memory driver's work queue: claims, and the fence that every write of one must pass.
 *
 * Invariants:
 * 1. A claim writes only while its execution is held under its epoch.
 * 2. An append that was sent before changes nothing; it is recognized by its sequence and its writer.
 */
import { processClock } from "../../lib/clock.ts";
import { FencedError, type NodeErrorData } from "../../lib/errors.ts";
import { isTerminal, type LogEvent } from "../../execution/event.ts";
import type { Claim } from "../../execution/claim.ts";
import type {
  AppendOptions,
  ControlMessage,
  FinishOptions,
  SuspendOptions,
  WorkQueue,
} from "../../execution/work_queue.ts";
import type { WaitOptions } from "../../execution/log.ts";
import { logLimit } from "../../execution/refusals.ts";
import type { Waiters } from "../../execution/waiters.ts";
import type { MemoryDeadLetters } from "./dead_letters.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { KeptEvent } from "./kept.ts";
import { claimOf } from "./requests.ts";
import { type MemoryExecution, type MemoryState, sumOf } from "./state.ts";
import { endedWorkers } from "../store_rules.ts";

/** Time before an execution whose run failed is run again, in milliseconds. */
const REST_MS = 100;

/** Options of a {@linkcode MemoryWorkQueue}. */
export interface MemoryWorkQueueOptions {
  /** The executions in memory. */
  readonly state: MemoryState;
  /** The queue of what is to run. */
  readonly dispatcher: Dispatcher;
  /** The callers that are answered. */
  readonly waiters: Waiters;
  /** Where executions that were given up are kept. */
  readonly deadLetters: MemoryDeadLetters;
  /** Number of claims without progress after which an execution becomes a dead letter. */
  readonly maxDeliveries: number;
  /** Largest log of an execution, in bytes. */
  readonly logLimitBytes: number;
}

/** {@linkcode WorkQueue} in memory. */
export class MemoryWorkQueue implements WorkQueue {
  readonly #options: MemoryWorkQueueOptions;

  constructor(options: MemoryWorkQueueOptions) {
    this.#options = options;
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<Claim[]> {
    const { signal, count, blockMs } = options;
    const { state, dispatcher } = this.#options;
    if (dispatcher.isIdle) await state.change("work", { signal, timeoutMs: blockMs });
    if (signal.aborted) return [];
    return dispatcher.take(count).map((execution) => claimOf(execution, { entryId: state.nextId(), way: "queue" }));
  }

  // The claim is lost together with this process, so there is nothing to record.
  // deno-lint-ignore require-await
  async begin(claim: Claim): Promise<void> {
    this.#held(claim);
  }

  // These are `async`, so that a refusal is a rejection; nothing is awaited, so that each is one step.
  // deno-lint-ignore require-await
  async append(claim: Claim, options: AppendOptions): Promise<{ paused: boolean }> {
    const execution = this.#held(claim);
    if (this.#isNew(execution, claim, options)) this.#write(execution, this.#keep(execution, options.events));
    const { reply } = options;
    if (reply !== undefined && execution.request.replyTo !== undefined) this.#options.waiters.reply(reply);
    return { paused: execution.status === "paused" };
  }

  // deno-lint-ignore require-await
  async suspend(claim: Claim, options: SuspendOptions): Promise<"suspended" | "resumed"> {
    if (this.#isSuspended(claim, options)) return "suspended";
    const execution = this.#held(claim);
    const isNew = this.#isNew(execution, claim, options);
    if (options.forPause && execution.status !== "paused") return "resumed";
    if (isNew) this.#write(execution, this.#keep(execution, options.events));
    this.#options.dispatcher.suspend(execution, options.forPause ? Infinity : processClock.now() + options.delayMs);
    return "suspended";
  }

  // deno-lint-ignore require-await
  async finish(claim: Claim, options: FinishOptions): Promise<void> {
    const ended = this.#options.state.find(claim.executionId);
    if (ended?.place === "ended" && ended.writer === claim.epoch) return;
    const execution = this.#held(claim);
    if (!this.#isNew(execution, claim, options)) return;
    const events = this.#keep(execution, options.events);
    const { result, deadLetter = false } = options;
    if (deadLetter) this.#keepLetter(execution, { diedAt: events.at(-1)!.time, error: result.error! });
    this.#options.dispatcher.end(execution, { events, result, writer: claim.epoch });
  }

  release(claim: Claim): void {
    const { dispatcher, maxDeliveries } = this.#options;
    const execution = this.#find(claim);
    if (execution === undefined) return;
    execution.deliveries++;
    if (execution.deliveries >= maxDeliveries) this.#bury(execution);
    else dispatcher.suspend(execution, processClock.now() + REST_MS);
  }

  requeue(claim: Claim): Promise<void> {
    const execution = this.#find(claim);
    if (execution !== undefined) this.#options.dispatcher.requeue(execution);
    return Promise.resolve();
  }

  onControl(listener: (executionId: string, message: ControlMessage) => void): void {
    this.#options.dispatcher.onControl(listener);
  }

  /** The execution that the claim still holds. */
  #find(claim: Claim): MemoryExecution | undefined {
    const execution = this.#options.state.find(claim.executionId);
    return execution?.place === "held" && execution.epoch === claim.epoch ? execution : undefined;
  }

  #held(claim: Claim): MemoryExecution {
    const execution = this.#find(claim);
    if (execution !== undefined) return execution;
    throw new FencedError(`Epoch ${claim.epoch} of ${claim.executionId} is no longer the newest`);
  }

  /** False when this very append is already in the log. */
  #isNew(execution: MemoryExecution, claim: Claim, options: Pick<AppendOptions, "sequence" | "events">): boolean {
    const { sequence, writer } = execution;
    if (sequence === options.sequence) return true;
    if (sequence === options.sequence + options.events.length && writer === claim.epoch) return false;
    throw new FencedError(`The log of ${claim.executionId} has ${sequence} entries, not ${options.sequence}`);
  }

  /** True when this very suspend was made before, and the execution has not been handed out since. */
  #isSuspended(claim: Claim, { sequence, events }: SuspendOptions): boolean {
    const execution = this.#options.state.find(claim.executionId);
    return execution?.place === "suspended" && execution.epoch === claim.epoch &&
      execution.sequence === sequence + events.length;
  }

  /** Prepares events for the log. Throws where they do not fit; a terminal event alone always fits. */
  #keep(execution: MemoryExecution, events: readonly LogEvent[]): KeptEvent[] {
    const { state, logLimitBytes } = this.#options;
    const kept = state.keep(events);
    if (kept.length === 1 && isTerminal(kept[0]!)) return kept;
    const bytes = sumOf(kept);
    if (execution.logBytes + bytes > logLimitBytes) throw logLimit(logLimitBytes);
    state.retention.admitAppend(bytes);
    return kept;
  }

  #write(execution: MemoryExecution, events: readonly KeptEvent[]): void {
    if (events.length === 0) return;
    execution.sequence += events.length;
    execution.writer = execution.epoch;
    if (execution.status === "pending") execution.status = "running";
    if (events.some(({ type }) => type === "node.completed")) execution.deliveries = 0;
    this.#options.state.append(execution, events);
  }

  /** Ends an execution as a dead letter. */
  #bury(execution: MemoryExecution): void {
    const diedAt = processClock.now();
    const error = endedWorkers(execution.deliveries);
    this.#keepLetter(execution, { diedAt, error });
    this.#options.dispatcher.end(execution, {
      events: this.#options.state.keep([{ type: "execution.failed", time: diedAt, data: { error } }]),
      result: { executionId: execution.request.executionId, status: "failed", error },
    });
  }

  #keepLetter(execution: MemoryExecution, death: { diedAt: number; error: NodeErrorData }): void {
    const { request, requestedAt, deliveries, events } = execution;
    const { executionId, workflowId, version, trigger } = request;
    const what = { executionId, workflowId, version, trigger, requested: events[0]! };
    this.#options.deadLetters.add({ ...what, requestedAt, deliveries, ...death });
  }
}
