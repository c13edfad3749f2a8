/**
 * The clock that a store and all who work with it go by. The system's clock is not asked once a process runs: it may
 * be wrong, or be set while executions run.
 */

/** Tells the time. */
export interface Clock {
  /** Whole epoch milliseconds. */
  now(): number;
}

/** The clock of one process alone: the system's when the process started, and monotonic from there. */
export const processClock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
};
