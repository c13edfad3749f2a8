/**
 * What nobody waits for: it is done after what this turn of the event loop has to send.
 *
 * @example
 * ```ts
 * const afterwards = new Afterwards();
 * afterwards.add(() => logger.info("answered"));
 * ```
 */
export class Afterwards {
  #added: (() => void)[] = [];

  add(work: () => void): void {
    if (this.#added.push(work) === 1) setImmediate(() => this.#do());
  }

  #do(): void {
    const added = this.#added;
    this.#added = [];
    for (const work of added) work();
  }
}
