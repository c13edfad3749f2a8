/**
 * Known bugs of the short way: of what an instance runs that it accepted itself.
 */
import type { Plant } from "./plants.ts";

/** The plants, by name. */
export const SHORT_WAY_PLANTS = {
  "local-no-renewal": {
    breaks: "the lease of what an instance runs of its own is not renewed",
    only: ["scene-hold-local"],
    leaseSeconds: 2,
    tests: ["storage/short_way"],
  },
  "local-never-moved": {
    breaks: "what an instance ran of its own when it was lost never goes on the work stream",
    only: ["scene-stall-local"],
    leaseSeconds: 2,
    tests: ["storage/short_way"],
  },
  "local-same-epoch": {
    breaks: "what goes back on the work stream keeps its epoch",
    only: ["scene-stall-local"],
    leaseSeconds: 2,
    tests: ["storage/short_way", "storage/timers", "storage/requeue"],
  },
  "local-uncounted": {
    breaks: "the loss of an instance that ran what it accepted is not counted as a delivery",
    only: ["scene-stall-local"],
    leaseSeconds: 2,
    tests: ["storage/short_way"],
  },
  "answer-before-write": {
    breaks: "the answer of a single write goes out before the write",
    only: ["kill-unwritten"],
    rounds: 4,
    callers: 24,
    kinds: ["pure"],
    tests: ["storage/record", "storage/short_way"],
  },
  "record-key-unchecked": {
    breaks: "a single write does not look whether its key was used",
    only: ["scene-one-key"],
    tests: ["storage/short_way"],
  },
} as const satisfies Record<string, Plant>;
