/**
 * Retries idempotent sends whose outcome is unknown.
 */
import { UnavailableError } from "../../lib/errors.ts";
import { pause } from "../../lib/delay.ts";
import type { RedisConnection } from "./connection/connection.ts";

/** How long it waits after each failure, at most, in milliseconds: it goes on as soon as the link is back. */
const DELAYS_MS = [50, 150, 400];

/**
 * Runs `send`, and again after a broken connection. For what changes nothing when it arrives a second time: the
 * scripts of the log. Throws the last `UnavailableError`, which says whether any of the sendings may have come through.
 */
export async function resend<T>(
  connection: RedisConnection,
  send: () => Promise<T>,
  delaysMs: readonly number[] = DELAYS_MS,
): Promise<T> {
  let mayHaveHappened = false;
  for (let sent = 0;; sent++) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      mayHaveHappened ||= error.mayHaveHappened;
      const delayMs = delaysMs[sent];
      if (delayMs === undefined) throw new UnavailableError(error.message, { cause: error.cause, mayHaveHappened });
      // With the link up it is the server that refuses: then the whole delay is waited.
      if (connection.ready) await pause(delayMs * (0.5 + Math.random() / 2));
      else if (await connection.whenReady({ timeoutMs: delayMs })) await pause(Math.random() * 20);
    }
  }
}
