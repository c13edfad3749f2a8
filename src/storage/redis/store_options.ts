/**
 * Options of a store on Redis.
 */
import type { StoreOptions } from "../store_rules.ts";

/** Options of `openRedisStore`, besides those that every driver has. */
export interface RedisStoreOptions extends StoreOptions {
  /** As `redis://[[user]:password@]host[:port][/database]`. */
  readonly url: string;
  /** Prefix of all key names; default `mr:`. */
  readonly prefix?: string;
  /** Number of hash tags that the keys are spread over, the same for all instances of one Redis; default 1. */
  readonly partitions?: number;
  /** The most followers of logs and of the feed on this instance; default 1000. */
  readonly maxFollowers?: number;
  /** Seconds without a renewal after which another worker takes over an execution; default 10. */
  readonly leaseSeconds?: number;
  /** How long the feed is kept for a consumer group that is away, in seconds; default 3600. */
  readonly feedBacklogSeconds?: number;
  /** How long the feed is kept for followers that were away, in milliseconds; default 60,000. */
  readonly feedKeptMs?: number;
  /**
   * How often this instance bounds feeds without readers and lists of workers, and says that definitions may have
   * changed, in milliseconds; default 60,000.
   */
  readonly sweepMs?: number;
  /** Called with lost links and errors in the background; by default nobody is told. */
  readonly onError?: (error: unknown) => void;
  /** How long the first connection is tried for, in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
}
