/**
 * The places of a worker: what runs on it, and how much more may.
 *
 * Invariant: what runs, and what a take that is under way may bring, are never more than there are places.
 */
import { FencedError } from "../lib/errors.ts";
import type { ControlMessage } from "../execution/work_queue.ts";
import type { RunControl } from "./run_control.ts";

/** How many executions run on one worker, and which. */
export class Places {
  readonly #most: number;
  readonly #running = new Map<string, RunControl>();
  /** How many executions a take that is under way may bring. */
  #asked = 0;
  #roomMade: (() => void) | undefined;

  /** @param options.places how many executions run at once */
  constructor({ places }: { places: number }) {
    this.#most = places;
  }

  /** How many executions have a place. */
  get taken(): number {
    return this.#running.size;
  }

  /** How many more may have one. */
  get free(): number {
    return this.#most - this.#running.size - this.#asked;
  }

  /** Keeps places for what `take` may bring; the keeping ends with the take. */
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

  /** Takes it back. A later claim of the same execution, which came here meanwhile, keeps its own. */
  leave(executionId: string, control: RunControl): void {
    if (this.#running.get(executionId) === control) this.#running.delete(executionId);
    this.#roomMade?.();
  }

  /** Ends a wait for room. */
  wake(): void {
    this.#roomMade?.();
  }

  /** Waits until an execution leaves, or {@linkcode wake}, at most `ms`. */
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

  /** Waits at most `ms` until no place is taken. */
  async empty(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.#running.size > 0 && performance.now() < until) await this.room(until - performance.now());
  }

  /** Passes on what happened to an execution from outside. */
  steer(executionId: string, message: ControlMessage): void {
    const run = this.#running.get(executionId);
    if (message === "lost") run?.stop(new FencedError(`The claim of ${executionId} was lost`));
    else if (message === "paused") run?.pause();
    else run?.resume();
  }

  /** Stops everything that runs. */
  stop(reason: unknown): void {
    for (const run of this.#running.values()) run.stop(reason);
  }
}
