/**
 * Named locks that hold across processes, in the shape of the Web Locks API (W3C).
 *
 * Additions to that API: a lock has a `fence` and a `signal`, since its holder may lose it; `ttlMs` is the duration of
 * its lease, `waitMs` the longest wait; `acquire` returns the lock instead of calling back.
 *
 * @example
 * ```ts
 * await locks.request("report", async (lock) => {
 *   await write(report, { fence: lock.fence, signal: lock.signal });
 * });
 *
 * await using lock = await locks.acquire("report", { waitMs: 1000 });
 * ```
 */
import { unlessAborted } from "../lib/delay.ts";
import { HeldLock, type Lock } from "./held_lock.ts";
import { checkLockName, checkTtl, isLockMode } from "./lock_rules.ts";
import type { LockMode, LockState, LockStore } from "./lock_store.ts";

export type { Lock } from "./held_lock.ts";

/** Default duration of a lease, in milliseconds. */
const DEFAULT_TTL_MS = 30_000;
/** The most locks that {@linkcode Locks.query} lists. */
const SHOWN_LOCKS = 1000;

/** Options of {@linkcode Locks.request} and {@linkcode Locks.acquire}. */
export interface LockOptions {
  /** Default `exclusive`. */
  readonly mode?: LockMode;
  /** True: does not wait, and passes `null` to the callback when the lock is not free. Default false. */
  readonly ifAvailable?: boolean;
  /** True: takes the lock from its holders, whose `signal` aborts, and before all waiters. Default false. */
  readonly steal?: boolean;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** Duration of the lease, in milliseconds; 30,000 by default. It is renewed while the lock is held. */
  readonly ttlMs?: number;
  /** Longest wait for the lock, in milliseconds; no limit by default. */
  readonly waitMs?: number;
}

/** A lock as {@linkcode Locks.query} shows it (the `LockInfo` of the Web Locks API). */
export interface LockInfo {
  readonly name: string;
  readonly mode: LockMode;
  /** The owner: the instance that holds it or waits for it, or what was sent over HTTP. */
  readonly clientId: string;
}

/** Work to be done while the lock is held. */
export type LockCallback<L, T> = (lock: L) => T | Promise<T>;

/** Options of {@linkcode Locks}. */
export interface LocksOptions {
  /** Where locks are kept. */
  readonly store: LockStore;
  /** Owner of the locks that are requested here, as others see it. */
  readonly clientId: string;
  /**
   * Called with the error of a release that fails after what was done under the lock: it ends with its lease. Default
   * nobody.
   */
  readonly onError?: (error: unknown) => void;
}

/** Named locks (the `LockManager` of the Web Locks API). */
export class Locks {
  readonly #store: LockStore;
  readonly #clientId: string;
  readonly #onError: (error: unknown) => void;
  /** Locks held by this instance, by token. */
  readonly #held = new Map<string, HeldLock>();

  constructor({ store, clientId, onError = () => {} }: LocksOptions) {
    this.#store = store;
    this.#clientId = clientId;
    this.#onError = onError;
    store.onLost((token) => this.#held.get(token)?.lose("it was stolen"));
  }

  /**
   * Runs `callback` while the lock is held, and releases the lock when the callback has ended or failed. What it came to
   * counts, though the release fails: then the lock ends with its lease.
   *
   * @returns what the callback returns
   * @throws the callback's error; an `AbortError` when the lock is lost while it runs (`lock.signal` aborts too); the
   * signal's reason; a `TimeoutError` after `waitMs`; a `NotSupportedError` for options that exclude each other
   */
  request<T>(name: string, callback: LockCallback<Lock, T>): Promise<T>;
  request<T>(
    name: string,
    options: LockOptions & { ifAvailable: true },
    callback: LockCallback<Lock | null, T>,
  ): Promise<T>;
  request<T>(name: string, options: LockOptions, callback: LockCallback<Lock, T>): Promise<T>;
  async request<T>(
    name: string,
    options: LockOptions | LockCallback<Lock, T>,
    callback: LockCallback<Lock, T> | LockCallback<Lock | null, T> = options as LockCallback<Lock, T>,
  ): Promise<T> {
    await using lock = await this.#take(name, typeof options === "function" ? {} : options);
    if (lock === undefined) return await (callback as LockCallback<Lock | null, T>)(null);
    return await unlessAborted(lock.signal, async () => await (callback as LockCallback<Lock, T>)(lock));
  }

  /**
   * Takes a lock; the caller releases it, or `await using` does.
   *
   * @throws the signal's reason, a `TimeoutError` after `waitMs`, a `NotSupportedError` for options that exclude each other
   */
  async acquire(name: string, options: Omit<LockOptions, "ifAvailable"> = {}): Promise<Lock> {
    return (await this.#take(name, options))!;
  }

  /** What is held and requested by any instance, ordered by name; at most a thousand locks. */
  async query(): Promise<{ held: LockInfo[]; pending: LockInfo[] }> {
    const states = await this.#store.list({ limit: SHOWN_LOCKS });
    const infos = (of: (state: LockState) => readonly { owner: string; mode: LockMode }[]): LockInfo[] =>
      states.flatMap((state) => of(state).map(({ owner, mode }) => ({ name: state.name, mode, clientId: owner })));
    return { held: infos(({ holders }) => holders), pending: infos(({ waiters }) => waiters) };
  }

  /** Takes a lock; `undefined` when it is not free and `ifAvailable` is set. */
  async #take(name: string, options: LockOptions): Promise<HeldLock | undefined> {
    checkOptions(name, options);
    const { mode = "exclusive", ifAvailable = false, steal = false, ttlMs = DEFAULT_TTL_MS, signal } = options;
    const waitMs = ifAvailable ? 0 : options.waitMs ?? Infinity;
    const asked = { name, owner: this.#clientId, mode, ttlMs, waitMs, steal };
    const grant = await this.#store.acquire(asked, signal ? { signal } : {});
    if (grant === undefined) {
      if (ifAvailable) return undefined;
      throw new DOMException(`The lock "${name}" did not become free within ${waitMs} ms`, "TimeoutError");
    }
    const { token } = grant;
    const onEnd = () => void this.#held.delete(token);
    const lock = new HeldLock({ store: this.#store, name, mode, ttlMs, grant, onEnd, onError: this.#onError });
    this.#held.set(token, lock);
    return lock;
  }
}

function checkOptions(name: string, options: LockOptions): void {
  const { mode = "exclusive", ifAvailable, steal, signal, ttlMs = DEFAULT_TTL_MS, waitMs = 0 } = options;
  const nameFault = checkLockName(name);
  if (nameFault !== undefined) throw notSupported(`Cannot lock "${name}": ${nameFault}`);
  if (!isLockMode(mode)) throw new TypeError(`Expected the mode "exclusive" or "shared": received "${mode}"`);
  const ttlFault = checkTtl(ttlMs);
  if (ttlFault !== undefined) throw new RangeError(`Cannot hold a lock so long: ${ttlFault}`);
  if (!(waitMs >= 0)) throw new RangeError(`Expected a wait of 0 ms or more: received ${waitMs}`);
  if (steal && ifAvailable) throw notSupported("A lock is either stolen or taken if it is available");
  if (steal && mode !== "exclusive") throw notSupported("Only an exclusive lock can be stolen");
  if (signal && (steal || ifAvailable)) throw notSupported("A signal ends a wait, and this one does not wait");
}

function notSupported(message: string): DOMException {
  return new DOMException(message, "NotSupportedError");
}
