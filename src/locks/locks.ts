/**
 * Named locks that hold across processes, in the shape of the Web Locks API (W3C).
 *
 * What goes beyond it: a lock has a `fence` and a `signal`, since its holder may lose it; `ttlMs` says how long it is
 * held without a renewal, `waitMs` how long to wait; `acquire` gives it to a block instead of a callback.
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
import { HeldLock, type Lock } from "./held_lock.ts";
import { checkLockName, checkTtl, isLockMode } from "./lock_rules.ts";
import type { LockMode, LockState, LockStore } from "./lock_store.ts";

export type { Lock } from "./held_lock.ts";

/** How long a lock is held without a renewal, unless it is asked for otherwise, in milliseconds. */
const DEFAULT_TTL_MS = 30_000;
/** How many locks {@linkcode Locks.query} shows. */
const SHOWN_LOCKS = 1000;

/** How a lock is asked for. */
export interface LockOptions {
  /** `exclusive` by default. */
  readonly mode?: LockMode;
  /** Does not wait: the callback gets `null` when the lock is not free. */
  readonly ifAvailable?: boolean;
  /** Takes the lock from its holders and before all who wait; the former holders' `signal` aborts. */
  readonly steal?: boolean;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** After how long without a renewal the lock is lost, in milliseconds; 30,000 by default. */
  readonly ttlMs?: number;
  /** How long to wait, in milliseconds; for ever by default. */
  readonly waitMs?: number;
}

/** A lock as {@linkcode Locks.query} shows it (the `LockInfo` of the Web Locks API). */
export interface LockInfo {
  readonly name: string;
  readonly mode: LockMode;
  /** The owner: the instance that holds it or waits for it, or what was sent over HTTP. */
  readonly clientId: string;
}

/** What a callback does under the lock. */
export type LockCallback<L, T> = (lock: L) => T | Promise<T>;

/** What {@linkcode Locks} is made of. */
export interface LocksOptions {
  /** Where locks are kept. */
  readonly store: LockStore;
  /** Who holds what is requested here. */
  readonly clientId: string;
}

/** Named locks (the `LockManager` of the Web Locks API). */
export class Locks {
  readonly #store: LockStore;
  readonly #clientId: string;
  /** Locks held by this instance, by token. */
  readonly #held = new Map<string, HeldLock>();

  constructor({ store, clientId }: LocksOptions) {
    this.#store = store;
    this.#clientId = clientId;
    store.onLost((token) => this.#held.get(token)?.lose("it was stolen"));
  }

  /**
   * Runs `callback` while the lock is held, and releases it when that has ended or failed.
   *
   * @returns what the callback returns
   * @throws the callback's error; an `AbortError` when the lock is lost while it runs, which it learns by `lock.signal`;
   * the signal's reason; a `TimeoutError` after `waitMs`; a `NotSupportedError` for options that exclude each other
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
    const lock = await this.#take(name, typeof options === "function" ? {} : options);
    if (lock === undefined) return await (callback as LockCallback<Lock | null, T>)(null);
    try {
      return await untilLost(lock.signal, async () => await (callback as LockCallback<Lock, T>)(lock));
    } finally {
      await lock.release();
    }
  }

  /**
   * Takes a lock and leaves its release to the caller, or to `await using`.
   *
   * @throws the signal's reason, a `TimeoutError` after `waitMs`, a `NotSupportedError` for options that exclude each other
   */
  async acquire(name: string, options: Omit<LockOptions, "ifAvailable"> = {}): Promise<Lock> {
    return (await this.#take(name, options))!;
  }

  /** Everything that is held and waited for, by anyone; a thousand locks at most, by name. */
  async query(): Promise<{ held: LockInfo[]; pending: LockInfo[] }> {
    const states = await this.#store.list({ limit: SHOWN_LOCKS });
    const infos = (of: (state: LockState) => readonly { owner: string; mode: LockMode }[]): LockInfo[] =>
      states.flatMap((state) => of(state).map(({ owner, mode }) => ({ name: state.name, mode, clientId: owner })));
    return { held: infos(({ holders }) => holders), pending: infos(({ waiters }) => waiters) };
  }

  /** Takes a lock; `undefined` when `ifAvailable` and it is not. */
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
    const lock = new HeldLock({ store: this.#store, name, mode, ttlMs, grant, onEnd });
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

/** What `work` gives, or the signal's reason as soon as that aborts. */
function untilLost<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work().then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
