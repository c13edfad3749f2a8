/**
 * How many bytes of bodies an instance holds at once, over all calls: many bodies of a size that each may have would
 * otherwise be more than it has memory for.
 *
 * @example
 * ```ts
 * const share = budget.open();
 * try { share.add(chunk.length) } finally { share.close() }
 * ```
 */
import { MillraceError } from "../../lib/errors.ts";

/** What one call holds of the budget. */
export interface BodyShare {
  /** Takes more. Throws `bodies_full`. */
  add(bytes: number): void;
  /** Gives all of it back; more than once does nothing. */
  close(): void;
}

/** The bytes of all calls. */
export class BodyBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;

  constructor(options: { limitBytes: number }) {
    this.#limitBytes = options.limitBytes;
  }

  /** How many bytes are held now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** A share of nothing as yet. */
  open(): BodyShare {
    let held = 0;
    return {
      add: (bytes) => {
        if (this.#heldBytes + bytes > this.#limitBytes) {
          throw new MillraceError("bodies_full", "This instance holds as many bytes of bodies as it may", {
            // What is left of the body is not read, so the connection cannot carry another request.
            headers: { "retry-after": "1", connection: "close" },
          });
        }
        held += bytes;
        this.#heldBytes += bytes;
      },
      close: () => {
        this.#heldBytes -= held;
        held = 0;
      },
    };
  }
}

/** Holds a share until the call is answered, since its body may stay in memory for that long. */
export async function withShare(
  bodies: BodyBudget,
  answer: (share: BodyShare) => Promise<Response>,
): Promise<Response> {
  const share = bodies.open();
  try {
    return await answer(share);
  } finally {
    share.close();
  }
}
