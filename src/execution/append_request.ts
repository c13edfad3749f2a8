/**
 * Appends a request, with retries while its outcome is unknown. A retry is idempotent: under the same execution id it
 * changes nothing if an earlier try succeeded, and returns that try's acceptance.
 */
import { MillraceError, UnavailableError } from "../lib/errors.ts";
import type { Acceptance, ExecutionRequest } from "./request.ts";
import { pause } from "../lib/delay.ts";

/** Upper bound of the retries of one append, in milliseconds. */
const CERTAINTY_WITHIN_MS = 10_000;
/** Pause between two tries, in milliseconds. */
const AGAIN_AFTER_MS = 100;

/**
 * Sends what appends the request, and again while its outcome is unknown, until `isOver` returns true.
 *
 * @throws what `send` throws; {@linkcode MillraceError} `unavailable` when nothing was started for certain, and
 * `outcome_unknown` when the retries ended without an answer
 */
export async function appendRequest<T extends Acceptance>(
  send: () => Promise<T>,
  request: ExecutionRequest,
  isOver: () => boolean,
): Promise<T> {
  const until = performance.now() + Math.min(CERTAINTY_WITHIN_MS, request.timeoutMs);
  let mayBeThere = false;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      mayBeThere ||= error.mayHaveHappened;
      if (!mayBeThere) throw nothingStarted(error);
      if (isOver() || performance.now() >= until) throw outcomeUnknown(request, error);
      await pause(AGAIN_AFTER_MS);
    }
  }
}

/** The error for an append whose outcome is unknown. */
export function outcomeUnknown({ executionId, idempotency }: ExecutionRequest, cause?: unknown): MillraceError {
  const advice = idempotency === undefined
    ? "sent again without an Idempotency-Key it may run twice"
    : "sent again with the same Idempotency-Key it runs once";
  return new MillraceError("outcome_unknown", `Nobody can say yet whether the execution was started: ${advice}`, {
    cause,
    extensions: { executionId },
    headers: { "execution-id": executionId, "retry-after": "1" },
  });
}

function nothingStarted(cause: UnavailableError): MillraceError {
  return new MillraceError("unavailable", "The store does not answer, or refuses for now: nothing was started", {
    cause,
    headers: { "retry-after": "1" },
  });
}
