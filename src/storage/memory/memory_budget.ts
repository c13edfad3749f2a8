/**
 * What the memory driver keeps besides executions, counted in bytes and bounded together.
 *
 * @example
 * ```ts
 * const budget = new MemoryBudget({ limitBytes: 2 ** 26 });
 * budget.take(1000);
 * budget.free(1000);
 * ```
 */
import { noRoom } from "../store_rules.ts";

/** How often what has expired is looked for, while there is room and while there is none, in milliseconds. */
const SWEEP_EVERY_MS = 60_000;
const SWEEP_FULL_EVERY_MS = 1000;

/** Bytes, of those there are. */
export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #sweeps: (() => void)[] = [];
  #used = 0;
  #sweptAt = -Infinity;

  constructor(options: { limitBytes: number }) {
    this.#limitBytes = options.limitBytes;
  }

  /** How many bytes are taken. */
  get used(): number {
    return this.#used;
  }

  /** Who takes of it says how to give back what has expired. */
  onSweep(sweep: () => void): void {
    this.#sweeps.push(sweep);
  }

  /** Takes bytes, or gives them back. Throws `storage_full` when there are not so many, and takes none then. */
  take(bytes: number): void {
    const isFull = () => bytes > 0 && this.#used + bytes > this.#limitBytes;
    const now = performance.now();
    if (now - this.#sweptAt > (isFull() ? SWEEP_FULL_EVERY_MS : SWEEP_EVERY_MS)) {
      this.#sweptAt = now;
      for (const sweep of this.#sweeps) sweep();
    }
    if (isFull()) throw noRoom();
    this.#used += bytes;
  }

  /** Gives bytes back. */
  free(bytes: number): void {
    this.#used -= bytes;
  }
}
