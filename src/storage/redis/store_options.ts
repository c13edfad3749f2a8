/**
 * How a store on Redis is opened.
 */

/** What a store is opened with. */
export interface RedisStoreOptions {
  /** As `redis://[[user]:password@]host[:port][/database]`. */
  readonly url: string;
  /** The name of this process: its replies and its claims go under it. */
  readonly instance: string;
  /** What every key's name begins with; default `mr:`. */
  readonly prefix?: string;
  /** How many hash tags the keys are spread over; all instances of one Redis need the same; default 1. */
  readonly partitions?: number;
  /** How many callers of this instance may wait at once; default 10 000. */
  readonly maxWaiters?: number;
  /** How many followers of logs and of the feed this instance may have at once; default 1000. */
  readonly maxFollowers?: number;
  /** After how long another worker takes over what this one no longer renews; default 10. */
  readonly leaseSeconds?: number;
  /** How many claims without progress an execution may have; default 5. */
  readonly maxDeliveries?: number;
  /** How many executions may be queued or run at once in one partition; default 100 000. */
  readonly queueLimit?: number;
  /** How long the history of executions is kept at most; default 86 400. */
  readonly historyTtlSeconds?: number;
  /** The largest log of an execution, in bytes, 64 MiB by default. */
  readonly logLimitBytes?: number;
  /**
   * How long an archived execution is kept from its end on, in seconds; by default as long as any other. What is to be
   * archived must be requested with a longer time.
   */
  readonly archivedTtlSeconds?: number;
  /** How long a reader of the feed that is away can keep it, in seconds; default 3600. */
  readonly feedBacklogSeconds?: number;
  /** What one cache keeps, in bytes: what was stored first goes first; default 64 MiB. */
  readonly cacheLimitBytes?: number;
  /** How long the feed is kept for readers who were away, in milliseconds, 60,000 by default. */
  readonly feedKeptMs?: number;
  /** How many entries one mailbox holds; default 1000. */
  readonly mailboxEntries?: number;
  /** How many bytes one mailbox holds; default 1 MiB. */
  readonly mailboxBytes?: number;
  /** How many entries the audit keeps; default 10 000. */
  readonly auditLimit?: number;
  /** Hears of lost links and of background work that failed; by default nobody does. */
  readonly onError?: (error: unknown) => void;
  /** How long the first connection is tried for, in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
}
