/**
 * The shortest way to make each planted bug show: a directed scenario is better than luck.
 */
import type { FaultName } from "./faults.ts";
import type { PlantName } from "./plants.ts";

/** What is run for a plant unless flags say otherwise. */
export interface Scenario {
  readonly rounds: number;
  readonly only: readonly FaultName[];
  readonly callers: number;
  readonly kinds?: readonly string[];
}

/** One scenario a plant. */
export const SCENARIOS: Readonly<Record<PlantName, Scenario>> = {
  // What the killed worker held is on no stream any more.
  "ack-early": { rounds: 1, only: ["kill-worker"], callers: 24, kinds: ["delay", "steps"] },
  // A worker comes back in the middle of calls that its successor makes again.
  "no-fence": { rounds: 1, only: ["down-worker"], callers: 24, kinds: ["slow"] },
  // Replies come faster than the inbox is read.
  "dollar-cursor": { rounds: 1, only: ["calm"], callers: 48, kinds: ["pure"] },
  // The feed holds more than its length for longer than the assembler takes to read it.
  "plain-trim": { rounds: 1, only: ["calm"], callers: 48, kinds: ["pure", "delay"] },
  // The reply that is under way to a worker is lost with its link; the lease is longer than the bound.
  "no-pel-drain": { rounds: 4, only: ["cut-worker"], callers: 24, kinds: ["pure"] },
};
