/**
 * The port of named locks.
 *
 * Every driver guarantees:
 * 1. An exclusive lock has one holder at a time, and shared holders exclude an exclusive one, while their leases run by
 *    the store's clock. A holder that goes on past its lease is recognised by its fence: see {@linkcode Grant.fence}.
 * 2. Grants are made in the order of arrival: a request waits behind those that wait already.
 * 3. A release wakes the next waiter. A waiter that is gone is skipped, and does not delay the ones behind it.
 * 4. A lapsed lease has the effect of a release.
 */

/** One holder at a time, or many that share it. */
export type LockMode = "exclusive" | "shared";

/** A request for a lock. */
export interface LockRequest {
  /** See {@linkcode checkLockName}. */
  readonly name: string;
  /** Shown as the holder or waiter; it decides nothing. */
  readonly owner: string;
  readonly mode: LockMode;
  /** Duration of the lease, in milliseconds: the lock is held so long without a renewal. */
  readonly ttlMs: number;
  /** How long to wait for the lock, in milliseconds: 0 takes it only if it is free, `Infinity` has no limit. */
  readonly waitMs: number;
  /** Takes the lock from its holders, before all waiters. Only with the mode `exclusive`; false by default. */
  readonly steal?: boolean;
}

/** A lock that was granted. */
export interface Grant {
  /** The secret by which the holder renews and releases. */
  readonly token: string;
  /**
   * A number that rises with every grant of this lock. A resource that remembers the highest fence it has seen, and
   * refuses writes with a lower one, is protected from a holder that was stopped past the end of its lease.
   *
   * It is at least the store's time in microseconds, so it rises over a loss of all data too, unless the store's clock
   * is set back at the same time.
   */
  readonly fence: number;
  /** When the lease ends unless it is renewed: epoch milliseconds by the store's clock. */
  readonly expiresAt: number;
  /** `performance.now()` before the store was asked; the holder counts its lease from here. */
  readonly askedAt: number;
}

/** A holder as others see it, without its token. */
export interface LockHolder {
  readonly owner: string;
  readonly mode: LockMode;
  readonly fence: number;
  readonly expiresAt: number;
  /** Rest of the lease, in milliseconds. */
  readonly remainingMs: number;
}

/** A waiter as others see it. */
export interface LockWaiter {
  readonly owner: string;
  readonly mode: LockMode;
}

/** The current state of a lock; it is free when it has no holders. */
export interface LockState {
  readonly name: string;
  readonly holders: readonly LockHolder[];
  /** The number of waiters. */
  readonly waiting: number;
  /** The first {@linkcode SHOWN_WAITERS} waiters, in the order in which they will be granted the lock. */
  readonly waiters: readonly LockWaiter[];
}

/** Stores named locks. */
export interface LockStore {
  /**
   * Takes a lock, waiting at most `waitMs` for it; `undefined` when it was not granted in that time. Rejects with the
   * signal's reason when it aborts before.
   *
   * @throws {MillraceError} `too_many_waiters`, `unavailable`
   */
  acquire(request: LockRequest, options?: { signal?: AbortSignal }): Promise<Grant | undefined>;
  /** Extends a lease to `ttlMs` milliseconds from now; `undefined` when the token no longer holds the lock. */
  renew(name: string, options: { token: string; ttlMs: number }): Promise<Grant | undefined>;
  /** Releases a lock and grants it to the next waiter; false when the token no longer held the lock. */
  release(name: string, token: string): Promise<boolean>;
  inspect(name: string): Promise<LockState>;
  /** Locks that are held or waited for, ordered by name, at most `limit`. */
  list(options: { limit: number }): Promise<LockState[]>;
  /** Registers a listener for locks of this process that are stolen; it is given their tokens. */
  onLost(listener: (token: string) => void): void;
}
