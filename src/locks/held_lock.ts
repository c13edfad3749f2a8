/**
 * A lock that this process holds: renewed until it is released, and known to be lost as soon as it may be.
 *
 * Invariants:
 * 1. Its lease counts from before the call that granted or renewed it, by the monotonic clock: it ends here no later
 *    than in the store.
 * 2. `signal` aborts when the lease ends without a renewal, when the store says that the lock is another's, and when it
 *    is stolen. A renewal that fails for want of an answer is tried again until then.
 * 3. A process that was stopped past its lease finds the signal aborted with its next turn, not sooner: what it writes
 *    before that is refused by its fence alone.
 */
import { LONGEST_DELAY_MS } from "../lib/delay.ts";
import type { Grant, LockMode, LockStore } from "./lock_store.ts";

/** A lock that is held (the `Lock` of the Web Locks API, with a fence and a signal). */
export interface Lock extends AsyncDisposable {
  readonly name: string;
  readonly mode: LockMode;
  /** To be given to whatever the lock protects: see {@linkcode Grant.fence}. */
  readonly fence: number;
  /** Aborts when the lock is lost: work under the lock must stop. */
  readonly signal: AbortSignal;
  /** Gives the lock back; false when it was lost before. The second time does nothing. */
  release(): Promise<boolean>;
}

/** What a held lock is made of. */
export interface HeldLockOptions {
  /** Where the lock is renewed and released. */
  readonly store: LockStore;
  /** The lock's name. */
  readonly name: string;
  /** The mode in which it was granted. */
  readonly mode: LockMode;
  /** How long it is held without a renewal, in milliseconds. */
  readonly ttlMs: number;
  /** Token, fence and lease, as the store granted them. */
  readonly grant: Grant;
  /** Called once, when the lock is released or lost. */
  readonly onEnd: () => void;
}

/** How many times a lease is renewed in its time, and how soon a renewal that failed is tried again, as its part. */
const RENEWALS = 3;
const RETRIES = 20;

/** {@linkcode Lock}. */
export class HeldLock implements Lock {
  readonly name: string;
  readonly mode: LockMode;
  readonly fence: number;
  readonly signal: AbortSignal;
  readonly #options: HeldLockOptions;
  readonly #lost = new AbortController();
  /** The monotonic time at which the lease ends, as far as it is known. */
  #until: number;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #lapse: ReturnType<typeof setTimeout> | undefined;
  #released: Promise<boolean> | undefined;

  constructor(options: HeldLockOptions) {
    const { name, mode, grant, ttlMs } = options;
    this.name = name;
    this.mode = mode;
    this.fence = grant.fence;
    this.signal = this.#lost.signal;
    this.#options = options;
    this.#until = grant.askedAt + ttlMs;
    this.#renewIn(ttlMs / RENEWALS - (performance.now() - grant.askedAt));
    this.#watch();
  }

  release(): Promise<boolean> {
    return this.#released ??= this.#release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release().then(() => {});
  }

  /** The lock is another's, or may be from now on. */
  lose(reason: string): void {
    if (this.#released !== undefined || this.signal.aborted) return;
    this.#end();
    this.#lost.abort(new DOMException(`The lock "${this.name}" was lost: ${reason}`, "AbortError"));
  }

  async #release(): Promise<boolean> {
    this.#end();
    const { store, grant } = this.#options;
    const held = await store.release(this.name, grant.token);
    return held && !this.signal.aborted;
  }

  #end(): void {
    clearTimeout(this.#renewal);
    clearTimeout(this.#lapse);
    this.#options.onEnd();
  }

  #watch(): void {
    clearTimeout(this.#lapse);
    this.#lapse = setTimeout(() => {
      if (performance.now() >= this.#until) this.lose("it could not be renewed in time");
      else this.#watch();
    }, Math.min(LONGEST_DELAY_MS, Math.max(1, this.#until - performance.now())));
  }

  #renewIn(ms: number): void {
    this.#renewal = setTimeout(() => void this.#renew(), Math.max(1, ms));
  }

  async #renew(): Promise<void> {
    const { store, name, ttlMs, grant: { token } } = this.#options;
    let nextMs = ttlMs / RETRIES;
    try {
      const grant = await store.renew(name, { token, ttlMs });
      if (grant === undefined) return this.lose("its lease ended, or it was taken");
      this.#until = grant.askedAt + ttlMs;
      nextMs = ttlMs / RENEWALS;
    } catch {
      // The outcome is unknown: it is tried again until the lease ends (invariant 2).
    }
    if (this.#released !== undefined || this.signal.aborted) return;
    this.#watch();
    this.#renewIn(nextMs);
  }
}
