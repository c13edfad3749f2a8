/**
 * A call that waits for the store, and is told when what the store has of it is to be taken for lost.
 *
 * Each is told by itself: of every `AbortSignal.any` over one signal for all, some 60 bytes stay until that signal aborts
 * (Node 20; Node 24 frees them).
 */

/** One call. */
export class LosableCall {
  readonly #gone: (() => AbortSignal) | undefined;
  #lost: AbortController | undefined;
  #signal: AbortSignal | undefined;
  #isLost = false;

  /** @param gone gives the signal that aborts when the caller goes; absent: nobody goes */
  constructor(gone: (() => AbortSignal) | undefined) {
    this.#gone = gone;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Aborts when the caller goes, or the call is lost. Made when it is asked for: making it costs. */
  get signal(): AbortSignal {
    if (this.#signal !== undefined) return this.#signal;
    this.#lost = new AbortController();
    if (this.#isLost) this.#lost.abort();
    const { signal } = this.#lost;
    return this.#signal = this.#gone === undefined ? signal : AbortSignal.any([this.#gone(), signal]);
  }

  /** Ends its wait for the store. */
  lose(): void {
    this.#isLost = true;
    this.#lost?.abort();
  }
}
