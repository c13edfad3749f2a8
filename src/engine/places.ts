/**
 * The places of a worker: which executions run on it, and how many more may.
 *
 * Invariant: running executions and those that a pending take may return never exceed the number of places.
 */
import { FencedError } from "../lib/errors.ts";
import type { ControlMessage } from "../execution/work_queue.ts";
import type { RunControl } from "./run_control.ts";

/** How many executions run on one worker, and which. */
export class Places {
  readonly #most: number;
  readonly #running = new Map<string, RunControl>();
  /** Places reserved for takes that are pending. */
  #asked = 0;
  #roomMade: (() => void) | undefined;

  /** @param options.places how many executions run at once */
  constructor({ places }: { places: number }) {
    this.#most = places;
  }

  /** How many executions run. */
  get taken(): number {
    return this.#running.size;
  }

  /** How many more may start. */
  get free(): number {
    return this.#most - this.#running.size - this.#asked;
  }

  /** Reserves places for the executions that `take` may return, until it settles. */
  async keeping<T>(count: number, take: () => Promise<T>): Promise<T> {
    this.#asked = count;
    try {
      return await take();
    } finally {
      this.#asked = 0;
    }
  }

  /** Gives an execution a place. */
  enter(executionId: string, control: RunControl): void {
    this.#running.set(executionId, control);
  }

  /** Frees the place. A later claim of the same execution on this worker keeps its own place. */
  leave(executionId: string, control: RunControl): void {
    if (this.#running.get(executionId) === control) this.#running.delete(executionId);
    this.#roomMade?.();
  }

  /** Ends a pending wait for a free place. */
  wake(): void {
    this.#roomMade?.();
  }

  /** Waits until a place becomes free or {@linkcode wake} is called, at most `ms` milliseconds. */
  room(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#roomMade = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#roomMade = done;
    });
  }

  /** Waits until no execution runs, at most `ms` milliseconds. */
  async empty(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.#running.size > 0 && performance.now() < until) await this.room(until - performance.now());
  }

  /** Delivers a control message (lost, paused, resumed) to an execution. */
  steer(executionId: string, message: ControlMessage): void {
    const run = this.#running.get(executionId);
    if (message === "lost") run?.stop(new FencedError(`The claim of ${executionId} was lost`));
    else if (message === "paused") run?.pause();
    else run?.resume();
  }

  /** Stops all running executions. */
  stop(reason: unknown): void {
    for (const run of this.#running.values()) run.stop(reason);
  }
}
