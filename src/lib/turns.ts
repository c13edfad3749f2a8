/**
 * Spreads what comes at once over turns of the event loop, first come, first served. What is sent on the way goes out
 * between two turns, so others work on the first while the next are prepared; and what has begun is small enough for the
 * processor's caches and young enough for the garbage collector.
 *
 * @example
 * ```ts
 * const turns = new Turns({ most: 8 });
 * await turns.next();
 * ```
 */
export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  /** How many have begun in this turn. */
  #begun = 0;
  #isSet = false;

  /** @param options.most how many begin in one turn */
  constructor(options: { most: number }) {
    this.#most = options.most;
  }

  /** `undefined` when the caller may begin at once; else resolves in the turn in which it may. */
  next(): Promise<void> | undefined {
    if (!this.#isSet) this.#set();
    if (this.#begun < this.#most) {
      this.#begun++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #set(): void {
    this.#isSet = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isSet = false;
    const next = this.#waiting.splice(0, this.#most);
    this.#begun = next.length;
    if (next.length > 0) this.#set();
    for (const begin of next) begin();
  }
}
