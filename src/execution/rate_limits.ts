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

/** Whose turn it is. */
export interface Turn {
  readonly admitted: boolean;
  /** Milliseconds until it is worth asking again: when the turn will probably have come; 0 when it has. */
  readonly waitMs: number;
}

/** How long a place in line is kept past the time at which its holder should have asked again, in milliseconds. */
export const LATE_TURN_MS = 10_000;

/** How many places a line has; whoever comes later has none, and asks again. */
export const LINE_PLACES = 10_000;

/** Counts calls in sliding windows. */
export interface RateLimits {
  /**
   * Lets one call through, or does not. Only what is let through counts, so a caller who goes on trying gets in again.
   *
   * @param name what is limited; at most some hundred characters
   * @throws {MillraceError} `unavailable`, and `storage_full` where there is no room for it
   */
  admit(name: string, limit: RateLimit): Promise<Admission>;

  /**
   * Lets one call through, or keeps a place in line for its ticket: by arrival, for as long as the ticket comes again no
   * later than {@linkcode LATE_TURN_MS} past its wait. With `keepsPlace: false`, for a ticket that will not come again, it
   * keeps none. Throws what {@linkcode admit} does; use other names than there.
   */
  turn(name: string, limit: RateLimit, ticket: string, options?: { keepsPlace?: boolean }): Promise<Turn>;
}
