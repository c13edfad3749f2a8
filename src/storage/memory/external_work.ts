/**
 * Executions that other programs run, in memory.
 */
import { type EventData, isEnded, type LogEvent } from "../../execution/event.ts";
import type {
  ExternalClaim,
  ExternalReport,
  ExternalWork,
  LapseOutcome,
  ReportOutcome,
} from "../../execution/external_work.ts";
import { AppendRefusedError } from "../../lib/errors.ts";
import { processClock } from "../../lib/clock.ts";
import { endedWorkers, fromAnywhere } from "../store_rules.ts";
import type { MemoryDeadLetters } from "./dead_letters.ts";
import { deadlineOf, type Dispatcher } from "./dispatcher.ts";
import { restoreEvent } from "./kept.ts";
import { type MemoryExecution, type MemoryState, sumOf } from "./state.ts";

/** What it is made of. */
export interface MemoryExternalWorkOptions {
  /** The executions in memory. */
  readonly state: MemoryState;
  /** The queue of what is to run. */
  readonly dispatcher: Dispatcher;
  /** Where executions that were given up are kept. */
  readonly deadLetters: MemoryDeadLetters;
  /** How many claims without progress an execution may have before it becomes a dead letter. */
  readonly maxDeliveries: number;
  /** The largest log of an execution, in bytes. */
  readonly logLimitBytes: number;
}

/** {@linkcode ExternalWork} in memory. Nothing is awaited, so each call is one step. */
export class MemoryExternalWork implements ExternalWork {
  readonly #options: MemoryExternalWorkOptions;

  constructor(options: MemoryExternalWorkOptions) {
    this.#options = options;
  }

  take(
    { workflowIds, count, leaseMs }: { workflowIds: readonly string[]; count: number; leaseMs: number },
  ): Promise<ExternalClaim[]> {
    const claims: ExternalClaim[] = [];
    for (const execution of this.#waiting(workflowIds, processClock.now())) {
      if (claims.length === count) break;
      const claim = this.#claim(execution, leaseMs);
      if (claim !== undefined) claims.push(claim);
    }
    return Promise.resolve(claims);
  }

  report({ executionId, epoch, eventId, events, result }: ExternalReport): Promise<ReportOutcome> {
    const execution = this.#options.state.find(executionId);
    if (execution === undefined) return Promise.resolve("unknown");
    const { external, request } = execution;
    const type = events.at(-1)!.type;
    if (external === undefined) return Promise.resolve("internal");
    if (eventId !== undefined && external.names.has(eventId)) return Promise.resolve("duplicate");
    if (isEnded(execution.status)) return Promise.resolve("ended");
    if (epoch !== execution.epoch && (epoch !== undefined || request.external === "taken")) {
      return Promise.resolve("stale");
    }
    // One that waits for its lock or a slot has yet to begin.
    if (execution.place === "in line") return Promise.resolve("order");
    if ((type === "execution.started") === (external.begun === execution.epoch)) return Promise.resolve("order");
    try {
      this.#append(execution, events, result);
    } catch (error) {
      if (error instanceof AppendRefusedError) return Promise.resolve("limit");
      throw error;
    }
    if (eventId !== undefined) external.names.add(eventId);
    if (type === "execution.started") external.begun = execution.epoch;
    if (type === "execution.progress") execution.deliveries = 0;
    if (external.isTaken) external.leaseUntil = processClock.now() + external.leaseMs;
    return Promise.resolve("done");
  }

  endLapsed(executionId: string): Promise<LapseOutcome> {
    const { dispatcher, state } = this.#options;
    const execution = state.find(executionId);
    const now = processClock.now();
    if (execution === undefined || isEnded(execution.status)) return Promise.resolve("over");
    if (now <= deadlineOf(execution)) return Promise.resolve("early");
    // A worker of this process that holds it lives.
    if (execution.place === "held" || (execution.external?.leaseUntil ?? 0) > now) return Promise.resolve("leased");
    const error = { code: "execution_timeout", message: "The execution was silent past its deadline" };
    dispatcher.end(execution, {
      events: state.keep([{ type: "execution.failed", time: now, data: { error } }]),
      result: { executionId, status: "failed", error },
    });
    return Promise.resolve("ended");
  }

  /** What may be handed out, in the order in which it is. */
  *#waiting(workflowIds: readonly string[], now: number): Generator<MemoryExecution> {
    for (const workflowId of fromAnywhere(workflowIds)) {
      const those = this.#options.dispatcher.handedOut.get(workflowId) ?? [];
      // What has lapsed first: however much new work waits, it comes back.
      for (const isTaken of [true, false]) {
        for (const execution of those) {
          const { external, status } = execution;
          if (status === "paused" || external!.leaseUntil > now || deadlineOf(execution) <= now) continue;
          if (external!.isTaken === isTaken) yield execution;
        }
      }
    }
  }

  /** Gives a lease; nothing where the execution was handed out too often, which ends it. */
  #claim(execution: MemoryExecution, leaseMs: number): ExternalClaim | undefined {
    const { external, request: { executionId, workflowId, version, trigger } } = execution;
    if (external!.isTaken && ++execution.deliveries >= this.#options.maxDeliveries) {
      this.#bury(execution);
      return undefined;
    }
    execution.epoch++;
    Object.assign(external!, { isTaken: true, leaseMs, leaseUntil: processClock.now() + leaseMs });
    return {
      ...{ executionId, workflowId, version, trigger },
      input: (restoreEvent(execution.events[0]!).data as EventData["execution.requested"]).input,
      epoch: execution.epoch,
      leaseExpiresAt: external!.leaseUntil,
      deadline: deadlineOf(execution),
    };
  }

  #append(execution: MemoryExecution, events: readonly LogEvent[], result: ExternalReport["result"]): void {
    const { dispatcher, logLimitBytes, state } = this.#options;
    const kept = state.keep(events);
    if (kept.length > 1 || result === undefined) {
      if (execution.logBytes + sumOf(kept) > logLimitBytes) throw new AppendRefusedError("log_limit", "No room");
      state.retention.admitAppend(sumOf(kept));
    }
    execution.sequence += kept.length;
    if (result !== undefined) return dispatcher.end(execution, { events: kept, result });
    if (execution.status === "pending") execution.status = "running";
    state.append(execution, kept);
  }

  #bury(execution: MemoryExecution): void {
    const { deadLetters, dispatcher, maxDeliveries, state } = this.#options;
    const { request, requestedAt, deliveries } = execution;
    const { executionId, workflowId, version, trigger } = request;
    const diedAt = processClock.now();
    const error = endedWorkers(maxDeliveries);
    const what = { executionId, workflowId, version, trigger, requested: execution.events[0]! };
    deadLetters.add({ ...what, requestedAt, diedAt, deliveries, error });
    dispatcher.end(execution, {
      events: state.keep([{ type: "execution.failed", time: diedAt, data: { error } }]),
      result: { executionId, status: "failed", error },
    });
  }
}
