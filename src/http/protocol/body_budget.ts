/**
 * Bounds the bytes of request bodies that an instance holds at once: many bodies, each within its own limit, could
 * otherwise exceed its memory.
 *
 * @example
 * ```ts
 * const share = budget.open();
 * try { share.add(chunk.length) } finally { share.close() }
 * ```
 */
import { MillraceError } from "../../lib/errors.ts";

/** The part of the budget that one call holds. */
export interface BodyShare {
  /** Adds bytes. Throws `bodies_full`. */
  add(bytes: number): void;
  /** Returns all bytes; further calls do nothing. */
  close(): void;
}

/** The budget of all calls. */
export class BodyBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;

  constructor(options: { limitBytes: number }) {
    this.#limitBytes = options.limitBytes;
  }

  /** Bytes that are held now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Opens an empty share. */
  open(): BodyShare {
    let held = 0;
    return {
      add: (bytes) => {
        if (this.#heldBytes + bytes > this.#limitBytes) {
          throw new MillraceError("bodies_full", "This instance holds as many bytes of bodies as it may", {
            // The rest of the body is not read, so the connection cannot be reused.
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
