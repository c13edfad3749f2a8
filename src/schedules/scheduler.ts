/**
 * The scheduler: starts the runs of schedules that are due. Any number of instances may run one on the same store.
 *
 * Invariants:
 * 1. A run is submitted under the idempotency key `<trigger>:<time>` before its schedule moves on: if a scheduler dies
 *    in between, or several do the same, exactly one execution starts.
 * 2. Due times are compared with the store's clock: nothing starts early.
 * 3. A run that the store refuses for now (unavailable, full, queue full) stays due, and the schedule does not move on;
 *    runs that become late by this are caught up as the trigger says.
 * 4. Every instance compares the definitions with the stored schedules at its start, after each change, and twice a
 *    minute, so a change is not lost when the instance that made it dies.
 * 5. No schedule is removed, or moved on without its run, by a definition that is not the newest in the store: an
 *    instance may hear of changes late.
 */
import type { Clock } from "../lib/clock.ts";
import { waitFor } from "../lib/delay.ts";
import { InvalidWorkflowError, MillraceError } from "../lib/errors.ts";
import type { Submit } from "../execution/submit.ts";
import type { CompiledWorkflow, Schedule } from "../workflow/definition.ts";
import { dueTime, MISSED_AFTER_MS, nextDue, plan } from "./occurrences.ts";
import type { ScheduleMove, ScheduleName, ScheduleNote, ScheduleRun, ScheduleStore } from "./schedule_store.ts";
import { runKey, startScheduled } from "./start_scheduled.ts";

/** How many schedules one claim takes, and its lease in milliseconds. */
const CLAIMED = 100;
const LEASE_MS = 5000;
/** Longest wait before it looks for due schedules again, in milliseconds: other instances add them too. */
const LOOK_MS = 1000;
/** Interval at which definitions and schedules are compared, and the pause after a failure, in milliseconds. */
const SYNC_MS = 30_000;
const AGAIN_MS = 500;
/** A run that starts later than this gets a note, in milliseconds. */
const LATE_MS = 1000;
/** How many past runs of each schedule are stored. */
const LAST = 5;

/** Options of {@linkcode Scheduler}. */
export interface SchedulerOptions {
  /** The clock, and the schedules that are due. */
  readonly store: { readonly clock: Clock; readonly schedules: ScheduleStore };
  /** The definitions, and what changes of them. */
  readonly workflows: {
    get(id: string): Promise<CompiledWorkflow | undefined>;
    /** As the store has it now, whether this instance has heard of it or not. */
    newest(id: string): Promise<CompiledWorkflow | undefined>;
    list(): readonly CompiledWorkflow[];
    onChange(listener: (id: string) => void): void;
  };
  /** Starts executions. */
  readonly submit: Submit;
  /** Shortest time for which the idempotency key of a run is remembered, in seconds. */
  readonly idempotencyTtlSeconds: number;
  /** Called for each run that was started, skipped or late; by default nobody is told. */
  readonly onRun?: (name: ScheduleName, what: ScheduleRun | ScheduleNote) => void;
  /** Called with errors in the background, after which the scheduler tries again. */
  readonly onError?: (error: unknown) => void;
}

type Due = Awaited<ReturnType<ScheduleStore["claim"]>>["due"][number];

/** Starts due runs until it is stopped. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;
  #syncing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setInterval> | undefined;
  #wake: (() => void) | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    options.workflows.onChange((id) => {
      if (this.#loop !== undefined) this.#sync(id);
    });
  }

  start(): void {
    this.#loop ??= this.#run();
    this.#timer ??= setInterval(() => this.#sync(undefined), SYNC_MS);
    this.#sync(undefined);
  }

  /** Starts no further run, and waits for those being submitted. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#loop;
    await this.#syncing;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { store: { schedules, clock }, onError } = this.#options;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        const { due, nextDueAt = Infinity } = await schedules.claim({ count: CLAIMED, leaseMs: LEASE_MS });
        const moves = await Promise.all(due.map((one) => this.#see(one)));
        await schedules.move(moves.filter((move) => move !== undefined));
        waitMs = due.length > 0 ? 0 : Math.min(LOOK_MS, nextDueAt - clock.now());
      } catch (error) {
        onError?.(error);
        waitMs = AGAIN_MS;
      }
      if (waitMs > 0) await waitFor((done) => this.#await(done), { signal, timeoutMs: waitMs });
    }
  }

  #await(done: () => void): () => void {
    this.#wake = done;
    return () => this.#wake = undefined;
  }

  /** Starts the due runs of one schedule. Returns its next state, or `undefined` when it stays due (invariant 3). */
  async #see(due: Due): Promise<ScheduleMove | undefined> {
    const { workflowId, node, trigger, next: time } = due;
    const { workflows, store: { clock }, onRun, onError } = this.#options;
    const move = { workflowId, node, from: { next: time, trigger } };
    try {
      const now = clock.now();
      const hasTrigger = (workflow: CompiledWorkflow | undefined): workflow is CompiledWorkflow =>
        schedulesOf(workflow).some(({ nodeId }) => nodeId === node);
      let workflow = await workflows.get(workflowId);
      if (!hasTrigger(workflow)) workflow = await workflows.newest(workflowId);
      if (!hasTrigger(workflow)) {
        // The trigger was removed or deactivated, and the store does not know that yet.
        this.#sync(workflowId);
        return { ...move, ...nextDue(due, trigger, Math.max(now, time)), last: due.last, notes: [] };
      }
      const { runs, skipped, next } = plan(due, trigger, { time, now });
      const notes: ScheduleNote[] = skipped.map((range) => ({ at: now, outcome: "skipped", ...range }));
      const started: ScheduleRun[] = [];
      for (const run of runs) {
        const outcome = await this.#start(due, workflow, run);
        if (outcome === undefined) return undefined;
        if ("executionId" in outcome) started.unshift(outcome);
        else notes.push(outcome);
        const lateMs = clock.now() - dueTime(due, trigger, run);
        if ("executionId" in outcome && lateMs > LATE_MS) {
          const reason = lateMs > MISSED_AFTER_MS ? "caught_up" : "late";
          notes.push({ at: clock.now(), outcome: "late", time: run, reason, lateMs });
        }
      }
      for (const what of [...started, ...notes]) onRun?.({ workflowId, node }, what);
      const last = [...started, ...due.last].slice(0, LAST);
      return { ...move, next, dueAt: next === undefined ? undefined : dueTime(due, trigger, next), last, notes };
    } catch (error) {
      onError?.(error);
      return undefined;
    }
  }

  /** Starts one run. Returns a note when it is skipped, `undefined` when the store refused or did not answer. */
  async #start(due: Due, workflow: CompiledWorkflow, time: number): Promise<ScheduleRun | ScheduleNote | undefined> {
    const { store: { clock }, submit, idempotencyTtlSeconds, onError } = this.#options;
    const { trigger: { catchUpWindowSeconds, jitterSeconds } } = due;
    try {
      const { executionId } = await startScheduled(submit, {
        workflow,
        trigger: due.trigger,
        time,
        key: runKey(due.node, time),
        ttlSeconds: Math.ceil(idempotencyTtlSeconds + catchUpWindowSeconds + jitterSeconds),
      });
      return { time, executionId, startedAt: clock.now() };
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      if (error.code === "concurrency_exceeded") {
        return { at: clock.now(), outcome: "skipped", time, reason: "overlap" };
      }
      onError?.(error);
      if (error.code === "invalid_lock") return { at: clock.now(), outcome: "skipped", time, reason: error.code };
      return undefined;
    }
  }

  /** Stores the schedules of one workflow, or of all; one call after the other. */
  #sync(id: string | undefined): void {
    this.#syncing = this.#syncing.then(() => id === undefined ? this.#syncAll() : this.#syncOne(id)).then(
      () => this.#wake?.(),
      (error) => this.#options.onError?.(error),
    );
  }

  async #syncAll(): Promise<void> {
    const { store, workflows, onError } = this.#options;
    const stored = await store.schedules.list();
    const wanted = workflows.list().filter(({ schedules }) => schedules.length > 0).map(({ id }) => id);
    for (const id of new Set([...stored.map(({ workflowId }) => workflowId), ...wanted])) {
      if (this.#stop.signal.aborted) return;
      const there = stored.filter(({ workflowId }) => workflowId === id).map(({ trigger }) => trigger);
      try {
        if (sorted(there) !== sorted(schedulesOf(await workflows.get(id)))) await this.#syncOne(id);
      } catch (error) {
        // Another release stored what this one does not take: that keeps its schedules, and the others come after it.
        if (!(error instanceof InvalidWorkflowError)) throw error;
        onError?.(error);
      }
    }
  }

  async #syncOne(id: string): Promise<void> {
    const { workflows, store: { schedules, clock } } = this.#options;
    const triggers = schedulesOf(await workflows.newest(id));
    const now = clock.now();
    const wanted = triggers.map((trigger) => ({
      trigger,
      ...nextDue({ workflowId: id, node: trigger.nodeId }, trigger, now),
    }));
    await schedules.sync(id, wanted);
  }
}

/** The triggers that a workflow is started by; none of one that is inactive, or gone. */
function schedulesOf(workflow: CompiledWorkflow | undefined): readonly Schedule[] {
  return workflow?.definition.active ? workflow.schedules : [];
}

/** A canonical text of triggers, for comparison. */
function sorted(triggers: readonly Schedule[]): string {
  return JSON.stringify(triggers.toSorted((a, b) => a.nodeId < b.nodeId ? -1 : 1));
}
