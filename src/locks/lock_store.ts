/**
 * The port of named locks: who holds one, who waits for it, and in which order.
 *
 * What every driver promises:
 * 1. An exclusive lock has one holder at a time, and a shared one no exclusive holder beside it, for as long as leases
 *    run by the store's clock. Whoever outlives its lease is told by its fence: see {@linkcode Grant.fence}.
 * 2. Grants go out in the order of arrival. Whoever comes while somebody waits, waits too.
 * 3. A waiter is woken by the release. One that is gone holds nobody up, and is dropped when its turn comes.
 * 4. A lapsed lease is as good as a release.
 */

/** One holder at a time, or many that share it. */
export type LockMode = "exclusive" | "shared";

/** A request for a lock. */
export interface LockRequest {
  /** See {@linkcode checkLockName}. */
  readonly name: string;
  /** Says who holds the lock to those who look; nothing is decided by it. */
  readonly owner: string;
  readonly mode: LockMode;
  /** How long it is held without a renewal, in milliseconds. */
  readonly ttlMs: number;
  /** How long to wait for it, in milliseconds: 0 asks whether it is free, `Infinity` waits for ever. */
  readonly waitMs: number;
  /** Takes it from its holders, and before all waiters. For the exclusive mode only. */
  readonly steal?: boolean;
}

/** A lock that was granted. */
export interface Grant {
  /** The secret by which the holder renews and releases. */
  readonly token: string;
  /**
   * A number that only rises, from grant to grant of this lock: a resource that remembers the highest it has seen, and
   * refuses what comes with a lower one, is safe from a holder that was stopped past the end of its lease.
   *
   * It is at least the store's time in microseconds, so it rises over a loss of all data too, unless the clock is set
   * back at the same time.
   */
  readonly fence: number;
  /** When it lapses unless it is renewed: epoch milliseconds by the store's clock. */
  readonly expiresAt: number;
  /** `performance.now()` before the store was asked: for the holder itself, the lease runs from here. */
  readonly askedAt: number;
}

/** A holder, as others see it: without its token. */
export interface LockHolder {
  readonly owner: string;
  readonly mode: LockMode;
  readonly fence: number;
  readonly expiresAt: number;
  /** Until then, in milliseconds. */
  readonly remainingMs: number;
}

/** A waiter, as others see it. */
export interface LockWaiter {
  readonly owner: string;
  readonly mode: LockMode;
}

/** A lock at this moment; free when it has no holders. */
export interface LockState {
  readonly name: string;
  readonly holders: readonly LockHolder[];
  /** How many wait. */
  readonly waiting: number;
  /** Those whose turn comes first, {@linkcode SHOWN_WAITERS} at most. */
  readonly waiters: readonly LockWaiter[];
}

/** Named locks. */
export interface LockStore {
  /**
   * Takes a lock, waiting for its turn for `waitMs`; `undefined` when it did not come. Rejects with the signal's reason
   * when that aborts before.
   *
   * @throws {MillraceError} `too_many_waiters`, `unavailable`
   */
  acquire(request: LockRequest, options?: { signal?: AbortSignal }): Promise<Grant | undefined>;
  /** Extends a lease to `ttlMs` from now; `undefined` when the token is no holder's any more. */
  renew(name: string, options: { token: string; ttlMs: number }): Promise<Grant | undefined>;
  /** Gives a lock back, and grants it to who is next; false when the token was no holder's any more. */
  release(name: string, token: string): Promise<boolean>;
  inspect(name: string): Promise<LockState>;
  /** All locks that are held or waited for, by name; at most `limit`. */
  list(options: { limit: number }): Promise<LockState[]>;
  /** Hears of locks of this process that were stolen, by their tokens. */
  onLost(listener: (token: string) => void): void;
}
