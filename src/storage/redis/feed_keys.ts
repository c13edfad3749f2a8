/**
 * The names of keys beside a feed.
 */
import type { Keys } from "./keys.ts";

/** How many entries of a partition's feed were trimmed before they were archived; one number, for ever. */
export function feedMissed(keys: Keys, partition: number): string {
  return `${keys.base(partition)}feed-missed`;
}
