/**
 * Valid names, owners, leases and modes of locks, for the library and for HTTP.
 */
import { MillraceError } from "../lib/errors.ts";
import type { LockMode } from "./lock_store.ts";

/** Bounds of a lease, in milliseconds: a tenth of a second to a day. */
export const TTL_MS = { min: 100, max: 86_400_000 } as const;

/** The most waiters of one lock, and the most holders that share it. */
export const LOCK_CROWD = 10_000;

/** The most waiters of a lock that its state lists. */
export const SHOWN_WAITERS = 100;

/** The longest name, and the longest owner, in UTF-16 code units. */
const MAX_LENGTH = 256;

/** Control characters and lone surrogates: logs and protocols do not carry them unchanged. */
const UNPRINTABLE = /\p{Cc}|\p{Cs}/u;

/**
 * The fault of a lock's name, or `undefined`. Names that begin with "-" are reserved (Web Locks API, `request()` of
 * `LockManager`).
 */
export function checkLockName(name: string): string | undefined {
  const fault = checkOwner(name);
  if (fault !== undefined) return fault;
  return name.startsWith("-") ? 'Expected no name that begins with "-"' : undefined;
}

/** The fault of an owner, or `undefined`. */
export function checkOwner(owner: string): string | undefined {
  if (owner.length < 1 || owner.length > MAX_LENGTH) return `Expected 1 to ${MAX_LENGTH} characters`;
  return UNPRINTABLE.test(owner) ? "Expected no control characters and no halves of surrogate pairs" : undefined;
}

/** The fault of a lease's duration in milliseconds, or `undefined`. */
export function checkTtl(ttlMs: number): string | undefined {
  if (Number.isInteger(ttlMs) && ttlMs >= TTL_MS.min && ttlMs <= TTL_MS.max) return undefined;
  return `Expected ${TTL_MS.min} to ${TTL_MS.max} whole milliseconds: received ${ttlMs}`;
}

/** True for `exclusive` and `shared`. */
export function isLockMode(mode: unknown): mode is LockMode {
  return mode === "exclusive" || mode === "shared";
}

/** The error when a lock has {@linkcode LOCK_CROWD} waiters, or as many holders that share it. */
export function lockCrowded(name: string): MillraceError {
  return new MillraceError("too_many_waiters", `${LOCK_CROWD} wait for the lock "${name}" already, or share it`, {
    headers: { "retry-after": "1" },
  });
}
