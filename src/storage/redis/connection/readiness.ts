/**
 * Whether a connection is ready, and those who wait for it to be.
 */

/** A flag that can be waited for. */
export class Readiness {
  readonly #waiting = new Set<() => void>();
  #ready = false;
  #closed = false;

  /** True while commands can be sent. */
  get ready(): boolean {
    return this.#ready;
  }

  /** True once it was closed: it will not be ready again. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Sets the flag, calls `first`, and then ends the waits. */
  arrive(first: () => void): void {
    this.#ready = true;
    first();
    this.#endWaits();
  }

  /** Clears the flag. */
  lose(): void {
    this.#ready = false;
  }

  /** Clears the flag for good, and ends the waits for it. */
  close(): void {
    this.#closed = true;
    this.#ready = false;
    this.#endWaits();
  }

  /** Waits for the flag; false when it is not set after `timeoutMs`, on abort, and once closed. */
  wait({ timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal }): Promise<boolean> {
    if (this.#ready || this.#closed || signal?.aborted) return Promise.resolve(this.#ready);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve(this.#ready);
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
      signal?.addEventListener("abort", done);
    });
  }

  #endWaits(): void {
    for (const done of [...this.#waiting]) done();
  }
}
