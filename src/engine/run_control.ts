/**
 * How a worker controls an execution that it runs: stop, pause, resume.
 */

/** Controls one run. */
export class RunControl {
  readonly #abort = new AbortController();
  #paused: boolean;
  #onResume: (() => void) | undefined;

  /** @param options.paused the execution was paused when it was claimed */
  constructor(options: { paused: boolean }) {
    this.#paused = options.paused;
  }

  /** Aborts when the run must stop; its reason is thrown. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** True while no further node may start. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Stops the run and its nodes. */
  stop(reason: unknown): void {
    this.#abort.abort(reason);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#onResume?.();
  }

  /** Registers a callback for each time that the run may resume. */
  onResume(listener: () => void): void {
    this.#onResume = listener;
  }
}

/** The reason of a run that stops because its worker stops: the execution goes back to the work stream. */
export class WorkerStoppedError extends Error {
  override readonly name = "WorkerStoppedError";
}
