/**
 * Limits the bytes of request bodies that an instance holds at once, over all calls. Many bodies within the limit of
 * one could otherwise exhaust its memory.
 *
 * @example
 * ```ts
 * const share = budget.open();
 * try { share.add(chunk.length) } finally { share.close() }
 * ```
 */
import { MillraceError } from "../../lib/errors.ts";

/** The bytes that one call holds. */
export interface BodyShare {
  /** Reserves more bytes. Throws `bodies_full`. */
  add(bytes: number): void;
  /** Releases all bytes; further calls do nothing. */
  close(): void;
}

/** The bytes that all calls hold. */
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

  /** Opens an empty share. */
  open(): BodyShare {
    let held = 0;
    return {
      add: (bytes) => {
        if (this.#heldBytes + bytes > this.#limitBytes) {
          throw new MillraceError("bodies_full", "This instance holds as many bytes of bodies as it may", {
            // The rest of the body stays unread, so the connection cannot be used for another request.
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

/** Holds a share until the call is answered: its body may stay in memory so long. */
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
