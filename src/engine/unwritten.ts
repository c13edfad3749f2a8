/**
 * The queue side of an execution that is run before it is requested.
 *
 * Invariants:
 * 1. Nothing is written before the run ends or has something to write: the end writes all in one step, anything else
 *    requests the execution first.
 * 2. Once it is requested, everything is written under the claim that this gave, as for any local execution.
 * 3. A run whose execution another worker has, or whose key an earlier execution has, ends with
 *    {@linkcode NotOursError}.
 */
import { AppendRefusedError } from "../lib/errors.ts";
import type { Claim, Way } from "../execution/claim.ts";
import type { LogEvent } from "../execution/event.ts";
import type { UnwrittenWrites } from "../execution/short_way.ts";
import type { AppendOptions, FinishOptions, SuspendOptions, WorkQueue } from "../execution/work_queue.ts";

/** An earlier execution has the key, or another worker has the execution. */
export class NotOursError extends Error {
  override readonly name = "NotOursError";
}

/** Writes for one run: the first write requests the execution, or writes it whole; later ones go to the work queue. */
export class UnwrittenQueue implements Pick<WorkQueue, "append" | "suspend" | "finish"> {
  readonly #work: Pick<WorkQueue, "append" | "suspend" | "finish">;
  readonly #writes: UnwrittenWrites;
  #claim: Claim | undefined;
  #isSettled = false;

  constructor(writes: UnwrittenWrites, work: Pick<WorkQueue, "append" | "suspend" | "finish">) {
    this.#writes = writes;
    this.#work = work;
  }

  /** The claim that the request gave. */
  get claim(): Claim | undefined {
    return this.#claim;
  }

  /** True once the submitter knows the outcome of the request. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  async append(claim: Claim, options: AppendOptions): Promise<{ paused: boolean }> {
    return await this.#work.append(await this.#requested(claim), options);
  }

  async suspend(claim: Claim, options: SuspendOptions): Promise<"suspended" | "resumed"> {
    return await this.#work.suspend(await this.#requested(claim), options);
  }

  finish(claim: Claim, { events, result, sequence }: FinishOptions): Promise<void> {
    if (this.#claim !== undefined) return this.#work.finish(this.#claim, { events, result, sequence });
    const run = { requestedAt: claim.requestedAt, events: onWay(events, "single-write"), result };
    return this.#settle(this.#writes.record(run)).then((isOurs) => {
      if (!isOurs) throw new NotOursError("An earlier execution has the key");
    });
  }

  async #requested({ requestedAt }: Claim): Promise<Claim> {
    this.#claim ??= await this.#settle(this.#writes.start(requestedAt));
    if (this.#claim === undefined) throw new NotOursError("The execution is another's to run");
    return this.#claim;
  }

  #settle<T>(write: Promise<T>): Promise<T> {
    return write.then((written) => {
      this.#isSettled = true;
      return written;
    }, (error) => {
      // After a refused append the terminal event is still to be written.
      this.#isSettled = !(error instanceof AppendRefusedError);
      throw error;
    });
  }
}

/** Says in `execution.started` which way it was. */
function onWay(events: readonly LogEvent[], way: Way): LogEvent[] {
  const said = [...events];
  const at = said.findIndex(({ type }) => type === "execution.started");
  const started = said[at];
  if (started?.type === "execution.started") said[at] = { ...started, data: { ...started.data, way } };
  return said;
}
