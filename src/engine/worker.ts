/**
 * Takes executions from the work stream while there is room, and runs each to its end.
 *
 * Invariants:
 * 1. It never takes more than it has room for: what it cannot run stays for others.
 * 2. Every claim it took ends in exactly one of: finished, suspended, fenced off, requeued, or left to be taken over.
 * 3. No workflow takes all of its places (see {@linkcode Shares}).
 * 4. What has lost a worker begins when its turn comes (see {@linkcode Turns}), and has not begun before.
 */
import { InvalidWorkflowError, UnavailableError } from "../lib/errors.ts";
import type { Claim } from "../execution/claim.ts";
import type { LocalRunner } from "../execution/short_way.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { failureOf } from "./outcome.ts";
import { type LocalRun, LocalRuns } from "./local_runs.ts";
import { Places } from "./places.ts";
import { refusalOf } from "./refusal.ts";
import { runExecution } from "./run.ts";
import type { RunOptions } from "./run_options.ts";
import { RunControl, WorkerStoppedError } from "./run_control.ts";
import { Shares } from "./shares.ts";
import { Turns } from "./suspects.ts";
import type { WorkerOptions } from "./worker_options.ts";

/** How long one blocked take waits, in milliseconds. */
const BLOCK_MS = 5000;
/** How long a stop waits for what it aborted, in milliseconds. */
const ABORT_GRACE_MS = 3000;
/** How long a suspect waits for its turn here, and for how long it is then suspended, in milliseconds. */
const [TURN_WAIT_MS, TURN_BACK_MS] = [2000, 500];

/** Takes and runs executions until it is stopped. */
export class Worker {
  /** Runs what this instance accepts. */
  readonly local: LocalRunner & Pick<LocalRuns, "close">;
  readonly #options: WorkerOptions;
  readonly #places: Places;
  readonly #turns: Turns<Claim>;
  readonly #shares: Shares;
  readonly #maxDeliveries: number;
  /** How many may wait for their turn: the rest of the room is for work that need not wait. */
  readonly #mostSuspects: number;
  /** How many one take may bring: the rest of the room is for what this instance accepts while the take is under way. */
  readonly #mostTaken: number;
  readonly #stop = new AbortController();
  /** Those that wait to begin. */
  readonly #unbegun = new Set<RunControl>();
  /** How many claims were suspended before they began since it took work last. */
  #suspendedUnbegun = 0;
  #loop: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#places = new Places({ places: options.concurrency });
    this.#mostSuspects = Math.ceil(options.concurrency / 4);
    this.#mostTaken = options.localFirst ? Math.ceil(options.concurrency / 4) : options.concurrency;
    this.#shares = new Shares({ places: options.concurrency });
    this.#maxDeliveries = options.maxDeliveries ?? 5;
    this.#turns = new Turns({ maxDeliveries: this.#maxDeliveries });
    options.store.work.onControl((executionId, message) => this.#places.steer(executionId, message));
    this.local = new LocalRuns({
      places: this.#places,
      shares: this.#shares,
      clock: options.store.clock,
      work: options.store.work,
      isOpen: () => this.#loop !== undefined && !this.#stop.signal.aborted,
      run: (claim, run) => this.#execute(claim, run),
      giveUp: (claim, error) => this.#giveUp(claim, error),
      onError: (error) => options.onError?.(error),
    });
  }

  /** How many executions run here now. */
  get running(): number {
    return this.#places.taken - this.#turns.waiting - this.#shares.waiting;
  }

  start(): void {
    this.#loop ??= this.#takeAll();
  }

  /** Stops taking, waits at most `graceMs` for what runs, and requeues the rest for other workers. */
  async stop(options: { graceMs?: number } = {}): Promise<void> {
    const { graceMs = 0 } = options;
    const reason = new WorkerStoppedError("The worker stopped");
    this.#stop.abort(reason);
    for (const control of this.#unbegun) control.stop(reason);
    this.local.close();
    this.#places.wake();
    await this.#loop;
    await this.#places.empty(graceMs);
    this.#places.stop(reason);
    await this.#places.empty(ABORT_GRACE_MS);
  }

  async #takeAll(): Promise<void> {
    const { signal } = this.#stop;
    const { store, onError } = this.#options;
    while (!signal.aborted) {
      const count = Math.min(this.#places.free, this.#mostTaken);
      if (count <= 0) {
        await this.#places.room(BLOCK_MS);
        continue;
      }
      try {
        const suspects = Math.max(0, this.#mostSuspects - this.#turns.waiting);
        await this.#places.keeping(count, async () => {
          const claims = await store.work.take({ count, suspects, blockMs: BLOCK_MS, signal });
          for (const claim of claims) void this.#run(claim);
        });
        // Suspended claims come due again at once: without a pause it would do nothing but take them.
        if (this.#suspendedUnbegun > 0) await this.#places.room(this.#suspendedUnbegun);
        this.#suspendedUnbegun = 0;
      } catch (error) {
        onError?.(error);
        await this.#places.room(200 + Math.random() * 300);
      }
    }
  }

  async #run(claim: Claim): Promise<void> {
    const { workflows, store } = this.#options;
    const control = new RunControl(claim);
    this.#places.enter(claim.executionId, control);
    let hasPlace = false;
    try {
      const workflow = claim.external ? undefined : await workflows.get(claim.workflowId, claim.version);
      if (workflow !== undefined && this.#msLeft(claim, workflow) > 0) {
        hasPlace = this.#shares.enter(claim.workflowId);
        if (!hasPlace) {
          const ended = { signal: () => control.signal };
          const backMs = await this.#waiting(control, () => this.#shares.wait(claim.workflowId, ended));
          if (backMs !== undefined) return await this.#suspend(claim, backMs);
          hasPlace = true;
        }
      }
      const isSuspect = workflow !== undefined && claim.deliveries > 0;
      const queue = isSuspect ? await this.#turnOf(claim, workflow, control) : store.work;
      if (queue === undefined) return await this.#suspend(claim, TURN_BACK_MS);
      if (workflow === undefined) await this.#refuse(claim);
      else await this.#execute(claim, { workflow, queue, control });
    } catch (error) {
      await this.#giveUp(claim, error);
    } finally {
      this.#turns.leave(claim);
      if (hasPlace) this.#shares.leave(claim.workflowId);
      this.#places.leave(claim.executionId, control);
    }
  }

  /** Runs a claim, and says how the execution ended if it did. */
  async #execute(claim: Claim, { workflow, control, queue }: LocalRun): Promise<void> {
    const { store: { clock, log }, records = log, workflows, limits, name: worker, onEnd } = this.#options;
    const { outputLimitBytes } = this.#options;
    const startedAt = performance.now();
    const result = await runExecution(claim, {
      workflow,
      control,
      queue,
      log,
      records,
      clock,
      worker,
      outputLimitBytes,
      workflows,
      limits,
    });
    if (result !== undefined) onEnd?.(claim, result, performance.now() - startedAt);
  }

  /** Lets a claim wait to begin: its run is stopped with the worker. */
  async #waiting<T>(control: RunControl, wait: () => Promise<T>): Promise<T> {
    const { signal } = this.#stop;
    if (signal.aborted) control.stop(signal.reason);
    this.#unbegun.add(control);
    try {
      return await wait();
    } finally {
      this.#unbegun.delete(control);
    }
  }

  /** How long until an execution's deadline, in milliseconds; from then on no node of it is run, so it harms nobody. */
  #msLeft(claim: Claim, workflow: CompiledWorkflow): number {
    return claim.requestedAt + workflow.definition.settings.timeoutSeconds * 1000 - this.#options.store.clock.now();
  }

  /** Suspends for a while what has not begun. */
  async #suspend(claim: Claim, delayMs: number): Promise<void> {
    this.#suspendedUnbegun++;
    await this.#options.store.work.suspend(claim, { sequence: claim.sequence, events: [], delayMs });
  }

  /**
   * Lets a suspect wait for its turn, and gives it a queue that hears of its progress, with which the turn is over;
   * `undefined` when its turn does not come soon.
   */
  async #turnOf(
    claim: Claim,
    workflow: CompiledWorkflow,
    control: RunControl,
  ): Promise<RunOptions["queue"] | undefined> {
    const { work } = this.#options.store;
    const leftMs = this.#msLeft(claim, workflow);
    if (this.#turns.waiting >= this.#mostSuspects && leftMs > 0) return undefined;
    const { signal } = control;
    const mostMs = Math.min(TURN_WAIT_MS, leftMs);
    const begins = await this.#waiting(control, () => this.#turns.wait(claim, { signal, mostMs }));
    signal.throwIfAborted();
    if (!begins && leftMs > TURN_WAIT_MS) return undefined;
    if (begins) await work.begin(claim);
    return {
      append: async (claim, options) => {
        const answer = await work.append(claim, options);
        if (options.events.some(({ type }) => type === "node.completed")) this.#turns.leave(claim);
        return answer;
      },
      suspend: (claim, options) => work.suspend(claim, options),
      finish: (claim, options) => work.finish(claim, options),
    };
  }

  async #giveUp(claim: Claim, error: unknown): Promise<void> {
    const { store: { work }, onError } = this.#options;
    const report = (error: unknown) => onError?.(error, claim);
    if (error instanceof WorkerStoppedError) {
      return await work.requeue(claim).catch((error) => {
        work.release(claim);
        report(error);
      });
    }
    if (error instanceof InvalidWorkflowError) await this.#countInvalid(claim, error).catch(report);
    work.release(claim, { cutOff: error instanceof UnavailableError });
    report(error);
  }

  /** Leaves what this release does not take to workers of another one, as a delivery that failed; the last one ends it. */
  async #countInvalid(claim: Claim, error: InvalidWorkflowError): Promise<void> {
    if (claim.deliveries + 1 < this.#maxDeliveries) await this.#options.store.work.begin(claim);
    else await this.#refuse(claim, error);
  }

  /** Ends an execution that is not to be run: its caller gets an answer all the same. */
  async #refuse(claim: Claim, invalid?: InvalidWorkflowError): Promise<void> {
    const { store: { clock, work }, onEnd } = this.#options;
    const { last, result } = failureOf(claim.executionId, refusalOf(claim, invalid), clock.now());
    await work.finish(claim, { sequence: claim.sequence, events: [last], result, deadLetter: invalid !== undefined });
    onEnd?.(claim, result, 0);
  }
}
