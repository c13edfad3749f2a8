/**
 * Waiting for a while, in one place.
 *
 * @example
 * ```ts
 * await pause(200, signal);
 * if (signal.aborted) return;
 * ```
 */

/** The longest that `setTimeout` can wait, in milliseconds; what is longer would fire at once. */
export const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** Resolves after `ms` milliseconds, or as soon as the signal aborts; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
