/**
 * Lets those who change the same thing do it one after the other, within this process: of many who read, change and
 * write on a condition at once, all but one would do it in vain.
 *
 * @example
 * ```ts
 * await turns.take("alice", async () => { … });
 * ```
 */

/** Turns by name. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` once everyone who came before under this name has ended, however. */
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
