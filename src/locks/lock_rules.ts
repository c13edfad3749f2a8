/**
 * What a lock may be called, and what may be asked of it: the same for the library and for HTTP.
 */
import { MillraceError } from "../lib/errors.ts";
import type { LockMode } from "./lock_store.ts";

/** How long a lock is held without a renewal, in milliseconds: from a tenth of a second to a day. */
export const TTL_MS = { min: 100, max: 86_400_000 } as const;

/** How many may wait for one lock, and how many may share it. */
export const LOCK_CROWD = 10_000;

/** How many waiters of a lock are shown. */
export const SHOWN_WAITERS = 100;

/** The longest name, and the longest owner, in UTF-16 code units. */
const MAX_LENGTH = 256;

/** Control characters and halves of surrogate pairs: they do not come through logs and wires as they are. */
const UNPRINTABLE = /\p{Cc}|\p{Cs}/u;

/**
 * Says what is wrong with a lock's name, or nothing. Names that begin with "-" are reserved (Web Locks API, the method
 * `request()` of `LockManager`).
 */
export function checkLockName(name: string): string | undefined {
  const fault = checkOwner(name);
  if (fault !== undefined) return fault;
  return name.startsWith("-") ? 'Expected no name that begins with "-"' : undefined;
}

/** Says what is wrong with an owner, or nothing. */
export function checkOwner(owner: string): string | undefined {
  if (owner.length < 1 || owner.length > MAX_LENGTH) return `Expected 1 to ${MAX_LENGTH} characters`;
  return UNPRINTABLE.test(owner) ? "Expected no control characters and no halves of surrogate pairs" : undefined;
}

/** Says what is wrong with the length of a lease, or nothing. */
export function checkTtl(ttlMs: number): string | undefined {
  if (Number.isInteger(ttlMs) && ttlMs >= TTL_MS.min && ttlMs <= TTL_MS.max) return undefined;
  return `Expected ${TTL_MS.min} to ${TTL_MS.max} whole milliseconds: received ${ttlMs}`;
}

/** True for a mode that a lock can have. */
export function isLockMode(mode: unknown): mode is LockMode {
  return mode === "exclusive" || mode === "shared";
}

/** The limit of waiters for, or sharers of, one lock is reached. */
export function lockCrowded(name: string): MillraceError {
  return new MillraceError("too_many_waiters", `${LOCK_CROWD} wait for the lock "${name}" already, or share it`, {
    headers: { "retry-after": "1" },
  });
}
