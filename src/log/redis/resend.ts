/**
 * Sends what may be sent twice again when its outcome is unknown.
 */
import { UnavailableError } from "../../errors.ts";

/** How often, and how long after each failure, in milliseconds. */
const DELAYS_MS = [50, 150, 400];

/**
 * Runs `send`, and again after a broken connection. For what changes nothing when it arrives a second time: the
 * scripts of the log. Throws the last `UnavailableError`.
 */
export async function resend<T>(send: () => Promise<T>, delaysMs: readonly number[] = DELAYS_MS): Promise<T> {
  for (const delayMs of delaysMs) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
  return await send();
}
