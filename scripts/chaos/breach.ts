/**
 * Breaches: promises that were not kept.
 */

/**
 * - `lost`: an accepted execution has no log, or no end and nobody to give it one;
 * - `duplicated`: two executions of one key, two ends, a node run again after it completed, two answers to one call;
 * - `wedged`: an answer past its deadline, an execution that does not end, work that does not flow again in time;
 * - `wrong`: an answer that is not what the log says, or not what the workflow makes;
 * - `leaked`: something is still held after all has ended.
 */
export type BreachKind = "lost" | "duplicated" | "wedged" | "wrong" | "leaked";

/** One breach. */
export interface Breach {
  readonly kind: BreachKind;
  readonly detail: string;
}

/** All kinds, in the order of the table. */
export const BREACH_KINDS: readonly BreachKind[] = ["lost", "duplicated", "wedged", "wrong", "leaked"];
