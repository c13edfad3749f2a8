/**
 * The large values that a claim has stored beside its log: later events and the result refer to them.
 */
import type { Claim } from "../../execution/claim.ts";
import type { StoredAs } from "./codec.ts";
import type { EncodedEvents } from "./log_entries.ts";

/** Large values by claim. A value is known by identity: an equal one that was never written is not taken for it. */
export class WrittenValues {
  readonly #written = new WeakMap<Claim, Map<unknown, { readonly name: string }>>();

  /** Remembers what an append has put there. */
  add(claim: Claim, { outputs }: EncodedEvents): void {
    let written = this.#written.get(claim);
    for (const [value, { name }] of outputs) {
      if (name === undefined) continue;
      if (written === undefined) this.#written.set(claim, written = new Map());
      written.set(value, { name });
    }
  }

  /** Tells how outputs are stored: those of these events, and those that stand beside the log. */
  storedAs(claim: Claim, { outputs }: EncodedEvents): StoredAs {
    const written = this.#written.get(claim);
    return (value) => outputs.get(value) ?? written?.get(value);
  }
}
