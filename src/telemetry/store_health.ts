/**
 * The health of a store.
 */

/** The store's part of `GET /health`. */
export interface StoreHealth {
  readonly status: "up" | "down" | "disabled" | "error";
  /** Duration of one round trip, in milliseconds. */
  readonly latency?: number;
  /** Why it is not up, in one line, for operators. */
  readonly detail?: string;
  /** How far this machine's clock is ahead of the store's, in milliseconds. */
  readonly clockOffsetMs?: number;
}
