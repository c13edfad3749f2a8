/**
 * How a worker reaches into an execution that it runs: stop, pause, resume.
 */

/** The levers of one run. */
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

  /** Calls back whenever the run may go on. */
  onResume(listener: () => void): void {
    this.#onResume = listener;
  }
}

/** Why a run is stopped when its worker goes: the execution goes back on the work stream. */
export class WorkerStoppedError extends Error {
  override readonly name = "WorkerStoppedError";
}
