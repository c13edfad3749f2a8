/**
 * The clock of a store, and of everything that works with it. After the start of a process the system's clock is not
 * read again: it may be wrong, or be set while executions run.
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
