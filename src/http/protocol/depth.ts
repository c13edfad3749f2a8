/**
 * Limits how deep webhooks call each other. `httpRequest` sends `Millrace-Depth`, one more than its own execution was
 * called with, so that workflows which call each other in a circle end.
 */
import { MillraceError } from "../../lib/errors.ts";
import { DEPTH_HEADER } from "../../lib/header.ts";

/** The deepest call that is accepted. */
const MAX_DEPTH = 10;

/** Throws `depth_exceeded` for a call that is too deep. A value that is no number was not sent by `httpRequest`. */
export function checkDepth(headers: Pick<Headers, "get">): void {
  const text = headers.get(DEPTH_HEADER);
  if (text !== null && /^\d{1,9}$/.test(text) && Number(text) > MAX_DEPTH) throw depthExceeded();
}

/** The error for a circle of workflows. */
export function depthExceeded(executionId?: string): MillraceError {
  return new MillraceError("depth_exceeded", `More than ${MAX_DEPTH} webhooks have called each other`, {
    ...(executionId !== undefined && { extensions: { executionId } }),
  });
}
