/**
 * Moves executions between their places: in line for a slot or a lock, on the work queue, with a worker, suspended, ended.
 *
 * Invariants:
 * 1. An execution is in exactly one place, and only this file changes it.
 * 2. The epoch rises each time an execution goes on the work queue, so a claim that was given up is never the newest.
 * 3. A paused execution is not put on the work queue before its deadline; from then on a worker must end it.
 * 4. An execution has a timer exactly while it is in line or suspended; none is due after the deadline.
 * 5. A slot or a lock is held from admission to the end, and given up with the end in one step, which admits the next.
 */
import { processClock } from "../../lib/clock.ts";
import { isEnded } from "../../execution/event.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { ControlMessage } from "../../execution/work_queue.ts";
import type { Waiters } from "../../execution/waiters.ts";
import { keep, type KeptEvent, sizeOf } from "./kept.ts";
import { Slots } from "./slots.ts";
import type { MemoryExecution, MemoryState, Place } from "./state.ts";
import { Timers } from "./timers.ts";

/** What counts for the limit of the queue. */
const QUEUED: ReadonlySet<Place> = new Set(["in line", "queued", "held"]);

/** How an execution ends; the last event is the terminal one. */
export interface Ending {
  readonly events: readonly KeptEvent[];
  readonly result: ExecutionResult;
  /** The epoch of the claim that ends it; absent where no claim does. */
  readonly writer?: number;
}

/** Moves all executions between their places. */
export class Dispatcher {
  readonly slots = new Slots();
  readonly #state: MemoryState;
  readonly #waiters: Waiters;
  readonly #timers = new Timers();
  readonly #queue: MemoryExecution[] = [];
  /** Executions that other programs may take, by workflow, the oldest first. */
  readonly handedOut = new Map<string, Set<MemoryExecution>>();
  readonly #listeners: ((executionId: string, message: ControlMessage) => void)[] = [];

  constructor(state: MemoryState, waiters: Waiters) {
    this.#state = state;
    this.#waiters = waiters;
  }

  /** Gives a new execution its first place. */
  start(execution: MemoryExecution): void {
    const { concurrency } = execution.request;
    if (concurrency === undefined) return this.requeue(execution);
    this.#place(execution, "in line");
    this.slots.join(execution);
    this.#wakeAt(execution, deadlineOf(execution));
    this.#admit(execution);
    if (concurrency.onOverlap !== "cancelPrevious" || execution.place !== "in line") return;
    for (const previous of this.slots.inTheWayOf(execution)) {
      this.cancel(previous, { reason: "A newer execution took its place" });
    }
  }

  /** Takes executions off the work queue, to a worker. */
  take(count: number): MemoryExecution[] {
    const taken = this.#queue.splice(0, count);
    for (const execution of taken) this.#place(execution, "held");
    return taken;
  }

  /** Gives an execution that is on the work queue to the worker of its submitter. */
  hold(execution: MemoryExecution): void {
    this.#leaveQueue(execution);
    this.#place(execution, "held");
  }

  /** True when there is nothing to take. */
  get isIdle(): boolean {
    return this.#queue.length === 0;
  }

  /** Puts an execution that no worker has on the work queue, unless it is paused. */
  requeue(execution: MemoryExecution): void {
    const deadline = deadlineOf(execution);
    if (execution.status === "paused" && processClock.now() < deadline) return this.suspend(execution, deadline);
    if (execution.external !== undefined && processClock.now() < deadline) return this.#handOut(execution, deadline);
    this.#timers.clear(execution.request.executionId);
    execution.epoch++;
    this.#place(execution, "queued");
    this.#queue.push(execution);
    this.#state.wake("work");
  }

  /** Lets other programs take an execution, if it is handed out at all; at its deadline a worker ends it. */
  #handOut(execution: MemoryExecution, deadline: number): void {
    const { external, workflowId } = execution.request;
    // As the first claim of a worker has.
    if (execution.epoch === 0) execution.epoch = 1;
    if (external === "taken") {
      const those = this.handedOut.get(workflowId) ?? new Set();
      this.handedOut.set(workflowId, those.add(execution));
    }
    this.suspend(execution, deadline);
  }

  /** Suspends an execution until `until` (epoch milliseconds), or until its deadline if that comes first. */
  suspend(execution: MemoryExecution, until: number): void {
    this.#place(execution, "suspended");
    this.#wakeAt(execution, Math.min(until, deadlineOf(execution)));
  }

  /** Moves an execution whose status has just become, or is no longer, `paused`. */
  pauseChanged(execution: MemoryExecution): void {
    const isPaused = execution.status === "paused";
    if (execution.place === "held") this.#tell(execution, isPaused ? "paused" : "resumed");
    else if (execution.place === "suspended" && !isPaused) this.requeue(execution);
    else if (execution.place === "queued" && isPaused && processClock.now() < deadlineOf(execution)) {
      this.#leaveQueue(execution);
      this.suspend(execution, deadlineOf(execution));
    }
  }

  /** Ends an execution: stores its result, replies to its caller, and gives its slot to the next. */
  end(execution: MemoryExecution, { events, result, writer = 0 }: Ending): void {
    const { executionId, workflowId, resultTtlSeconds, historyTtlSeconds, replyTo } = execution.request;
    const now = processClock.now();
    if (execution.place === "queued") this.#leaveQueue(execution);
    const those = this.handedOut.get(workflowId);
    if (those?.delete(execution) && those.size === 0) this.handedOut.delete(workflowId);
    this.#timers.clear(executionId);
    this.slots.leave(execution);
    this.#place(execution, "ended");
    execution.writer = writer;
    execution.status = result.status as MemoryExecution["status"];
    execution.endedAt = events.at(-1)!.time;
    execution.expiresAt = now + historyTtlSeconds * 1000;
    const value = keep(JSON.stringify(result));
    execution.result = { value, expiresAt: now + resultTtlSeconds * 1000 };
    this.#state.retention.grow(execution, sizeOf(value));
    this.#state.append(execution, events);
    this.#state.retention.ended(execution);
    if (replyTo !== undefined) this.#waiters.reply(result);
    this.#admit(execution);
  }

  /** Ends an execution from outside; its claim, if any, is lost. False if it had ended. */
  cancel(execution: MemoryExecution, data: { reason?: string }): boolean {
    if (isEnded(execution.status)) return false;
    const { request: { executionId }, place } = execution;
    this.end(execution, {
      events: this.#state.keep([{ type: "execution.cancelled", time: processClock.now(), data }]),
      result: { executionId, status: "cancelled" },
    });
    if (place === "held") this.#tell(execution, "lost");
    return true;
  }

  /** Calls back with what happens to executions while a worker has them. */
  onControl(listener: (executionId: string, message: ControlMessage) => void): void {
    this.#listeners.push(listener);
  }

  /** Stops every timer. */
  close(): void {
    this.#timers.close();
  }

  #place(execution: MemoryExecution, place: Place): void {
    this.#state.queued += Number(QUEUED.has(place)) - Number(QUEUED.has(execution.place));
    execution.place = place;
  }

  /** Lets in who waits for what this execution has had, or waited for. */
  #admit({ request }: MemoryExecution): void {
    for (const next of this.slots.admit(request)) this.requeue(next);
  }

  #wakeAt(execution: MemoryExecution, at: number): void {
    this.#timers.set(execution.request.executionId, { at, work: () => this.#wake(execution) });
  }

  #wake(execution: MemoryExecution): void {
    if (execution.place === "in line") {
      this.slots.leaveLines(execution);
      this.#admit(execution);
    }
    this.requeue(execution);
  }

  #leaveQueue(execution: MemoryExecution): void {
    this.#queue.splice(this.#queue.lastIndexOf(execution), 1);
  }

  #tell({ request: { executionId } }: MemoryExecution, message: ControlMessage): void {
    for (const listener of this.#listeners) listener(executionId, message);
  }
}

/** When an execution must have ended, in epoch milliseconds. */
export function deadlineOf({ request, requestedAt }: MemoryExecution): number {
  return requestedAt + request.timeoutMs;
}
