/**
 * Why something failed, for a line of text: platforms wrap the reason, `fetch` in "fetch failed", a connection to a
 * name with several addresses in an `AggregateError` without a message.
 *
 * @example
 * ```ts
 * reasonOf(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:80") }));
 * // "connect ECONNREFUSED 127.0.0.1:80"
 * ```
 */

/** The most causes that are looked at: an error may be its own cause. */
const MAX_DEPTH = 10;

/** An error and its causes, outermost first, ten at most; an `AggregateError` is caused by the first of its errors. */
export function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  let next = error;
  while (next instanceof Error && causes.length < MAX_DEPTH) {
    causes.push(next);
    next = next instanceof AggregateError ? next.errors[0] : next.cause;
  }
  return causes;
}

/** The message of the innermost cause that has one; the text of what was thrown and is no error. */
export function reasonOf(error: unknown): string {
  return causesOf(error).map(({ message }) => message).findLast((message) => message !== "") ?? String(error);
}
