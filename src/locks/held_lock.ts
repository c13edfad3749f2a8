/**
 * A lock that this process holds. It is renewed until it is released; `signal` aborts as soon as it may be lost.
 *
 * Invariants:
 * 1. The lease is counted from before the call that granted or renewed it, by the monotonic clock, so it ends here no
 *    later than in the store.
 * 2. `signal` aborts when the lease ends without a renewal, when the store says that another holds the lock, and when
 *    the lock is stolen. A renewal without an answer is tried again until the lease ends.
 * 3. A process that was stopped past its lease sees the signal aborted only when its event loop runs again. Until then
 *    only the fence protects from what it writes.
 */
import { LONGEST_DELAY_MS } from "../lib/delay.ts";
import type { Grant, LockMode, LockStore } from "./lock_store.ts";

/**
 * A lock that is held (the `Lock` of the Web Locks API, with a fence and a signal). Disposing of it releases it and never
 * rejects, so that what was done under the lock counts: a release that fails is left to the end of the lease.
 */
export interface Lock extends AsyncDisposable {
  readonly name: string;
  readonly mode: LockMode;
  /** The fence to send with every write that the lock protects: see {@linkcode Grant.fence}. */
  readonly fence: number;
  /** Aborts when the lock is lost: work under the lock must stop. */
  readonly signal: AbortSignal;
  /**
   * Releases the lock; false when it had been lost before. A second call does nothing.
   *
   * @throws {MillraceError} `unavailable`: then it ends with its lease
   */
  release(): Promise<boolean>;
}

/** Options of {@linkcode HeldLock}. */
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
  /** Called with the error of a release that fails when the lock is disposed of. */
  readonly onError: (error: unknown) => void;
}

/** A lease is renewed this many times in its duration; a failed renewal is tried again after 1/`RETRIES` of it. */
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
  /** When the lease ends, as far as this process knows: `performance.now()`. */
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(this.#options.onError);
  }

  /** Marks the lock as lost and aborts the signal. */
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
      // The outcome is unknown: another renewal follows until the lease ends (invariant 2).
    }
    if (this.#released !== undefined || this.signal.aborted) return;
    this.#watch();
    this.#renewIn(nextMs);
  }
}
