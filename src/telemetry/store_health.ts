/**
 * What a store says of itself.
 */

/** One check of `/health`. */
export interface StoreHealth {
  readonly status: "up" | "down" | "disabled" | "error";
  /** Milliseconds of one round trip. */
  readonly latency?: number;
  readonly detail?: string;
  /** How far this machine's clock is ahead of the store's, in milliseconds. */
  readonly clockOffsetMs?: number;
}
