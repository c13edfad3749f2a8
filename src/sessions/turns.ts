/**
 * Runs changes of the same thing one after the other within this process: of many that read, change and conditionally
 * write at once, all but one would have to be tried again.
 *
 * @example
 * ```ts
 * await turns.take("alice", async () => { … });
 * ```
 */

/** A queue for each name. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` after all earlier work under the same name has ended or failed. */
  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const { promise, resolve } = turn();
    this.#last.set(name, promise);
    try {
      await before;
      return await work();
    } finally {
      if (this.#last.get(name) === promise) this.#last.delete(name);
      resolve();
    }
  }
}

function turn(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => resolve = settle);
  return { promise, resolve };
}
