/**
 * The port that counts calls: at most so many in any window of so many seconds, exact over all instances.
 */

/** How many calls are let through. */
export interface RateLimit {
  /** Calls in any window, at least 1. */
  readonly limit: number;
  /** Length of the window, in seconds. */
  readonly perSeconds: number;
}

/** The decision on one call. */
export interface Admission {
  readonly admitted: boolean;
  /** Calls that would still be let through now. */
  readonly remaining: number;
  /** Milliseconds until the oldest call leaves the window, at least 1: one more is let through then. */
  readonly resetMs: number;
}

/** Counts calls in sliding windows. */
export interface RateLimits {
  /**
   * Lets one call through, or does not. Only what is let through counts, so a caller who goes on trying gets in again.
   *
   * @param name what is limited; at most some hundred characters
   * @throws {MillraceError} `unavailable`, and `storage_full` where there is no room for it
   */
  admit(name: string, limit: RateLimit): Promise<Admission>;
}
