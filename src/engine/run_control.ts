/**
 * How a worker controls an execution that it runs: stop, pause, resume.
 */

/** Controls a run, or several one after the other. */
export class RunControl {
  #abort: AbortController | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #paused: boolean;
  #onResume: (() => void) | undefined;
  #onStop: ((reason: unknown) => void) | undefined;

  /** @param options.paused the execution was paused when it was claimed */
  constructor(options: { paused: boolean }) {
    this.#paused = options.paused;
  }

  /** Aborts when the run must stop; its reason is thrown. Made when it is asked for: most runs do without. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#stopped !== undefined) this.#abort.abort(this.#stopped.reason);
    }
    return this.#abort.signal;
  }

  /** Why the run must stop, once it must. */
  get stopped(): { readonly reason: unknown } | undefined {
    return this.#stopped;
  }

  /** True while no further node may start. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Stops the run and its nodes; only the first reason counts. */
  stop(reason: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = { reason };
    this.#abort?.abort(reason);
    this.#onStop?.(reason);
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

  /** Registers a callback for when the run must stop, in place of the one before. */
  onStop(listener: ((reason: unknown) => void) | undefined): void {
    this.#onStop = listener;
  }
}

/** The reason of a run that stops because its worker stops: the execution goes back to the work stream. */
export class WorkerStoppedError extends Error {
  override readonly name = "WorkerStoppedError";
}
