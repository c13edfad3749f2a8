/**
 * Lets so many pieces of work run at once, and the others wait in line.
 *
 * @example
 * ```ts
 * const gate = new Gate({ atOnce: 4 });
 * const page = await gate.run(() => connection.send(command));
 * ```
 */

/** A line before a bounded number of places. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(options: { atOnce: number }) {
    this.#free = options.atOnce;
  }

  /** Runs `work` when its turn has come. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
