/**
 * The places of a worker: which executions run on it, and how many more may.
 *
 * Invariants:
 * 1. Running executions and those that a pending take may return never exceed the number of places.
 * 2. Where who takes from the work stream waits for a place, the next one that comes free is left to it.
 */
import { FencedError } from "../lib/errors.ts";
import { FleetingMap } from "../lib/fleeting_map.ts";
import type { ControlMessage } from "../execution/work_queue.ts";
import { Pace } from "./pace.ts";
import type { RunControl } from "./run_control.ts";

/** How many executions run on one worker, and which. */
export class Places {
  readonly #most: number;
  readonly #running = new FleetingMap<string, RunControl>();
  /** Places reserved for takes that are pending. */
  #asked = 0;
  #roomMade: (() => void) | undefined;
  readonly #pace: Pace;
  /** Called when one came free, with how many may be taken now. */
  onFree: ((count: number) => void) | undefined;

  /** @param options.places how many executions run at once */
  constructor({ places }: { places: number }) {
    this.#most = places;
    this.#pace = new Pace({ places });
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
    this.#pace.begin();
  }

  /** Frees the place. A later claim of the same execution on this worker keeps its own place. */
  leave(executionId: string, control: RunControl): void {
    if (this.#running.get(executionId) === control) this.#running.delete(executionId);
    this.#pace.end();
    const kept = this.#roomMade === undefined ? 0 : 1;
    this.#roomMade?.();
    if (this.free > kept) this.onFree?.(this.free - kept);
  }

  /** Whether one more may wait behind `waiting` others, for at most `expectedMs` milliseconds. */
  mayWait(line: { waiting: number; expectedMs: number }): boolean {
    // An only place is always left to who takes from the work stream.
    return this.#most > 1 && this.#pace.mayWait(line);
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
