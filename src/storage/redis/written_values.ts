/**
 * The large values that a claim has stored beside its log: later events and the result refer to them.
 */
import type { Claim } from "../../execution/claim.ts";
import type { EncodedEvents, NameOf } from "./codec.ts";

/** Large values by claim. A value is known by identity: an equal one that was never written is not taken for it. */
export class WrittenValues {
  readonly #written = new WeakMap<Claim, Map<unknown, string>>();

  /** Remembers what an append has put there. */
  add(claim: Claim, { values }: EncodedEvents): void {
    const written = this.#written.get(claim);
    if (values.size === 0) return;
    if (written === undefined) this.#written.set(claim, new Map(values));
    else for (const [value, name] of values) written.set(value, name);
  }

  /** Names what stands there, or will with these events. */
  nameOf(claim: Claim, { values }: EncodedEvents): NameOf {
    const written = this.#written.get(claim);
    return (value) => values.get(value) ?? written?.get(value);
  }
}
