/**
 * The executions that this instance accepted and runs itself. They have no work entry, so their lease is a timer,
 * renewed by the same script as other leases. When it lapses, any worker that moves due timers puts them on the work
 * stream.
 */
import type { Claim } from "../../execution/claim.ts";
import { FleetingMap } from "../../lib/fleeting_map.ts";
import type { Keys } from "./keys.ts";

/** The local executions of this instance. */
export class LocalLeases {
  readonly #keys: Keys;
  /** By execution id, one map a partition. */
  readonly #held: readonly FleetingMap<string, Claim>[];

  constructor({ keys }: { keys: Keys }) {
    this.#keys = keys;
    this.#held = Array.from({ length: keys.partitions }, () => new FleetingMap());
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

  #heldWith(executionId: string): FleetingMap<string, Claim> {
    return this.#held[this.#keys.partitionOf(executionId)]!;
  }
}
