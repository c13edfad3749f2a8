/**
 * Whether a connection is ready, and those who wait for it to be.
 */
import { waitFor } from "../../../lib/delay.ts";

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
  async wait(bounds: { timeoutMs: number; signal?: AbortSignal }): Promise<boolean> {
    if (!this.#ready && !this.#closed) {
      await waitFor((done) => {
        this.#waiting.add(done);
        return () => void this.#waiting.delete(done);
      }, bounds);
    }
    return this.#ready;
  }

  #endWaits(): void {
    for (const done of this.#waiting) done();
  }
}
