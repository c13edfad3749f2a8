/**
 * What every driver does alike: the bounds that it has by default, and what it says of a dead letter.
 */
import { MillraceError } from "../lib/errors.ts";

/** The bounds of a store whose options do not name them. */
export const STORE_DEFAULTS = {
  /** Callers that may wait for replies at once. */
  maxWaiters: 10_000,
  /** Executions that may be queued or run at once, in one partition on Redis. */
  queueLimit: 100_000,
  /** Claims that may end without progress before an execution is a dead letter. */
  maxDeliveries: 5,
  /** The largest log of an execution: 64 MiB. */
  logLimitBytes: 2 ** 26,
  /** How long the history of an execution is kept: a day. */
  historyTtlSeconds: 86_400,
  /** What one cache keeps: 64 MiB. */
  cacheLimitBytes: 2 ** 26,
  /** What a mailbox may hold. */
  mailboxEntries: 1000,
  mailboxBytes: 2 ** 20,
  /** Entries of the audit. */
  auditLimit: 10_000,
} as const;

/** The error of an execution that ended one worker after the other. */
export function endedWorkers(deliveries: number): { code: string; message: string } {
  return { code: "dead_letter", message: `The execution ended ${deliveries} workers without progress` };
}

/** The error for what would take more room than there is, of sessions and mailboxes. */
export function noRoom(): MillraceError {
  return new MillraceError("storage_full", "There is no room for it at the moment", {
    headers: { "retry-after": "1" },
  });
}

/** The error for a cursor that did not come from the page before. */
export function invalidCursor(cursor: string): MillraceError {
  return new MillraceError("invalid_parameter", `Expected "cursor" from a nextCursor: received "${cursor}"`, {
    extensions: { parameter: "cursor" },
  });
}
