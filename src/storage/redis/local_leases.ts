/**
 * The executions that this instance accepted and runs itself: they have no work entry, so their lease is a timer, which
 * the script that renews the other leases renews too. When it lapses, whoever moves what is due puts them on the work
 * stream.
 */
import type { Claim } from "../../execution/claim.ts";
import type { Keys } from "./keys.ts";

/** What this instance has so. */
export class LocalLeases {
  readonly #keys: Keys;
  /** By execution id, one map a partition. */
  readonly #held: readonly Map<string, Claim>[];

  constructor({ keys }: { keys: Keys }) {
    this.#keys = keys;
    this.#held = Array.from({ length: keys.partitions }, () => new Map());
  }

  hold(claim: Claim): void {
    this.#heldWith(claim.executionId).set(claim.executionId, claim);
  }

  /** Forgets a claim: its lease is renewed no more. */
  drop({ executionId }: Claim): void {
    this.#heldWith(executionId).delete(executionId);
  }

  /** How many lie in a partition. */
  countIn(partition: number): number {
    return this.#held[partition]!.size;
  }

  /** Those in a partition. */
  in(partition: number): Claim[] {
    return [...this.#held[partition]!.values()];
  }

  /** Forgets an execution that is another's now; false if it was not held. */
  lose(executionId: string): boolean {
    return this.#heldWith(executionId).delete(executionId);
  }

  #heldWith(executionId: string): Map<string, Claim> {
    return this.#held[this.#keys.partitionOf(executionId)]!;
  }
}
