/**
 * Appends a request, and makes sure of it where the store gave no answer: an append that is sent again, under the same
 * id, changes nothing if the first one came through, and says so.
 */
import { MillraceError, UnavailableError } from "../lib/errors.ts";
import type { Acceptance, ExecutionRequest } from "./request.ts";
import type { ExecutionLog } from "./log.ts";
import { pause } from "../lib/delay.ts";

/** How long a caller is kept waiting for certainty, at most, in milliseconds. */
const CERTAINTY_WITHIN_MS = 10_000;
const AGAIN_AFTER_MS = 100;

/**
 * Appends the request; again while its fate is unknown, until `isOver`.
 *
 * @throws {MillraceError} what `log.request` throws; `unavailable` when nothing was started for certain, and
 * `outcome_unknown` when nobody can say
 */
export async function appendRequest(
  log: Pick<ExecutionLog, "request">,
  request: ExecutionRequest,
  isOver: () => boolean,
): Promise<Acceptance> {
  const until = performance.now() + Math.min(CERTAINTY_WITHIN_MS, request.timeoutMs);
  let mayBeThere = false;
  for (;;) {
    try {
      return await log.request(request);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      mayBeThere ||= error.mayHaveHappened;
      if (!mayBeThere) throw nothingStarted(error);
      if (isOver() || performance.now() >= until) throw outcomeUnknown(request, error);
      await pause(AGAIN_AFTER_MS);
    }
  }
}

/** The error for an append that had no answer. */
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
