/**
 * What all drivers have in common: options and their defaults, and errors.
 */
import { MillraceError } from "../lib/errors.ts";

/** Options that every driver has. */
export interface StoreOptions {
  /** Unique name of this process: its replies and claims have it. */
  readonly instance: string;
  /** The most callers that may wait for replies at once; default 10,000. */
  readonly maxWaiters?: number;
  /** The most executions that may be queued or run at once, on Redis in one partition; default 100,000. */
  readonly queueLimit?: number;
  /** The most claims without progress before an execution becomes a dead letter; default 5. */
  readonly maxDeliveries?: number;
  /** Largest log of an execution, in bytes; default 64 MiB. */
  readonly logLimitBytes?: number;
  /** Longest time that the history of executions is kept, in seconds; default 86,400, a day. */
  readonly historyTtlSeconds?: number;
  /**
   * How long an archived execution is kept from its end on, in seconds; by default as long as any other. Executions that
   * are to be archived must be requested with a longer time.
   */
  readonly archivedTtlSeconds?: number;
  /** Largest cache, in bytes, past which it drops what was stored first; default 64 MiB. */
  readonly cacheLimitBytes?: number;
  /** The most entries of one mailbox; default 1000. */
  readonly mailboxEntries?: number;
  /** The most bytes of one mailbox, in memory characters; default 1 MiB. */
  readonly mailboxBytes?: number;
  /** The most entries of the audit; default 10,000. */
  readonly auditLimit?: number;
}

/** Defaults of {@linkcode StoreOptions}. */
export const STORE_DEFAULTS = {
  maxWaiters: 10_000,
  queueLimit: 100_000,
  maxDeliveries: 5,
  logLimitBytes: 2 ** 26,
  historyTtlSeconds: 86_400,
  cacheLimitBytes: 2 ** 26,
  mailboxEntries: 1000,
  mailboxBytes: 2 ** 20,
  auditLimit: 10_000,
} as const satisfies Required<Omit<StoreOptions, "instance" | "archivedTtlSeconds">>;

/** The most responses that a cache keeps under one URL; what was stored first goes first. */
export const MOST_VARIANTS = 50;

/** A list from somewhere on, and then its beginning: who goes by it and stops early gives none of it the first place. */
export function fromAnywhere<T>(list: readonly T[]): T[] {
  const first = Math.floor(Math.random() * list.length);
  return [...list.slice(first), ...list.slice(0, first)];
}

/** The error of an execution that ended one worker after the other. */
export function endedWorkers(deliveries: number): { code: string; message: string } {
  return { code: "dead_letter", message: `The execution ended ${deliveries} workers without progress` };
}

/** The error for a session or an entry of a mailbox that does not fit into memory. */
export function noRoom(): MillraceError {
  return new MillraceError("storage_full", "There is no room for it at the moment", {
    headers: { "retry-after": "1" },
  });
}

/** The error for a cursor that is not the `nextCursor` of a page. */
export function invalidCursor(cursor: string): MillraceError {
  return new MillraceError("invalid_parameter", `Expected "cursor" from a nextCursor: received "${cursor}"`, {
    extensions: { parameter: "cursor" },
  });
}
