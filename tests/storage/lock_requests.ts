/**
 * What the contracts of locks ask a store for.
 */
import type { Grant, LockRequest } from "../../src/locks/lock_store.ts";
import type { Store } from "../../src/storage/store.ts";

/** The lock that is asked for. */
export const NAME = "reports/2026 {a}";

/** A request that does not wait, for a minute, exclusive. */
export const request = (options: Partial<LockRequest> = {}): LockRequest => ({
  name: NAME,
  owner: "me, myself",
  mode: "exclusive",
  ttlMs: 60_000,
  waitMs: 0,
  ...options,
});

/** Asks for it; `undefined` when somebody else has it. */
export const take = (from: Store, options: Partial<LockRequest> = {}): Promise<Grant | undefined> =>
  from.locks.acquire(request(options));

/** Asks for it and waits. */
export function waitFor(from: Store, options: Partial<LockRequest> = {}): Promise<Grant | undefined> {
  const grant = take(from, { waitMs: 600_000, ...options });
  // Where a test fails before, its store is closed.
  grant.catch(() => {});
  return grant;
}
