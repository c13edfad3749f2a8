/**
 * Runs on this worker what this instance accepts: claimed in the step that requested it, or not yet written.
 *
 * Invariants:
 * 1. A place is given only while there is room on the worker and in the workflow's share of it, and to nobody before
 *    those of the workflow who wait for one.
 * 2. Whatever happens to a run that is not written, its submitter is told what became of the request: when the run does
 *    not come to writing, the request goes to the work queue.
 */
import type { Clock } from "../lib/clock.ts";
import { type Claim, localClaim } from "../execution/claim.ts";
import type { ExecutionRequest } from "../execution/request.ts";
import type { LocalPlace, LocalRunner, UnwrittenWrites } from "../execution/short_way.ts";
import type { WorkQueue } from "../execution/work_queue.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { Line } from "./line.ts";
import type { Places } from "./places.ts";
import { RunControl } from "./run_control.ts";
import type { Shares } from "./shares.ts";
import { UnwrittenQueue } from "./unwritten.ts";

/** How long one may wait in line, and is expected to at most, in milliseconds. */
const WAIT_MS = 1000;
const EXPECTED_MS = 500;

/** What one run needs. */
export interface LocalRun {
  readonly workflow: CompiledWorkflow;
  readonly control: RunControl;
  readonly queue: Pick<WorkQueue, "append" | "suspend" | "finish">;
}

/** A place that was taken: what runs there, and how it is left. */
interface TakenPlace {
  readonly workflow: CompiledWorkflow;
  readonly control: RunControl;
  readonly leave: () => void;
}

/** What local runs need of their worker. */
export interface LocalRunsOptions {
  /** The worker's places: as many as executions may run at once. */
  readonly places: Places;
  /** How many of them one workflow may take. */
  readonly shares: Shares;
  /** The store's clock. */
  readonly clock: Clock;
  /** The queue from which executions are claimed without a work entry. */
  readonly work: WorkQueue;
  /** False before the worker has started, and once it stops. */
  readonly isOpen: () => boolean;
  /** Runs an execution; throws when the run stops without ending the execution. */
  readonly run: (claim: Claim, run: LocalRun) => Promise<void>;
  /** Releases a claim whose run threw this. */
  readonly giveUp: (claim: Claim, error: unknown) => Promise<void>;
  /** Called with errors that end no execution. */
  readonly onError: (error: unknown) => void;
}

/** {@linkcode LocalRunner} on a worker. */
export class LocalRuns implements LocalRunner {
  readonly #options: LocalRunsOptions;
  readonly #line: Line;

  constructor(options: LocalRunsOptions) {
    const { places } = options;
    this.#options = options;
    this.#line = new Line({ take: (executionId, workflow) => this.#take(executionId, workflow) });
    places.onFree = (count) => this.#line.serve(count);
  }

  reserve(executionId: string, workflow: CompiledWorkflow): LocalPlace | undefined {
    return this.#line.has(workflow.id) ? undefined : this.#take(executionId, workflow);
  }

  async wait(
    executionId: string,
    workflow: CompiledWorkflow,
    { mostMs }: { mostMs: number },
  ): Promise<LocalPlace | undefined> {
    const { places, isOpen } = this.#options;
    if (!isOpen() || !places.mayWait({ waiting: this.#line.size, expectedMs: EXPECTED_MS })) return undefined;
    return await this.#line.wait(executionId, workflow, { mostMs: Math.min(mostMs, WAIT_MS) });
  }

  /** Nobody waits any more. */
  close(): void {
    this.#line.close();
  }

  #take(executionId: string, workflow: CompiledWorkflow): LocalPlace | undefined {
    const { places, shares, isOpen } = this.#options;
    if (!isOpen() || places.free <= 0 || !shares.enter(workflow.id)) return undefined;
    const control = new RunControl({ paused: false });
    places.enter(executionId, control);
    const leave = () => {
      // The share first: the place may go to the same workflow.
      shares.leave(workflow.id);
      places.leave(executionId, control);
    };
    return {
      run: (claim) => void this.#run(claim, { workflow, control, leave }),
      runUnwritten: (request, writes) => void this.#runUnwritten(request, writes, { workflow, control, leave }),
      leave,
    };
  }

  async #run(claim: Claim, { workflow, control, leave }: TakenPlace): Promise<void> {
    const { run, giveUp, work } = this.#options;
    try {
      await run(claim, { workflow, control, queue: work });
    } catch (error) {
      await giveUp(claim, error);
    } finally {
      leave();
    }
  }

  async #runUnwritten(
    request: ExecutionRequest,
    writes: UnwrittenWrites,
    { workflow, control, leave }: TakenPlace,
  ): Promise<void> {
    const { run, giveUp, clock, work, onError } = this.#options;
    const queue = new UnwrittenQueue(writes, work);
    try {
      await run(localClaim(request, clock.now()), { workflow, control, queue });
    } catch (error) {
      if (queue.claim !== undefined) return await giveUp(queue.claim, error);
      // The submitter has its answer already: refused, unknown, or the earlier execution with its key.
      if (queue.isSettled) return;
      onError(error);
      await writes.handOver().catch(() => {});
    } finally {
      leave();
    }
  }
}
