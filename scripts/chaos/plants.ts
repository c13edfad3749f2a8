/**
 * The names of the known bugs that `plant.ts` can switch on, and what each breaks.
 */

/** Every plant. */
export const PLANTS = {
  "ack-early": "work is acknowledged when it is taken, not when it has ended",
  "no-fence": "an append is accepted whatever its epoch and sequence",
  "dollar-cursor": "the inbox is read from $, so what comes between two reads is missed",
  "plain-trim": "the feed is trimmed by a plain length, pending entries and all",
  "no-pel-drain": "what was handed to a dead connection is not read again",
} as const;

/** The name of a plant. */
export type PlantName = keyof typeof PLANTS;

/** All names. */
export const PLANT_NAMES = Object.keys(PLANTS) as PlantName[];
