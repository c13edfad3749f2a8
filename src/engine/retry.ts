/**
 * When a failed node is tried again: exponential backoff with full jitter (M. Brooker, "Exponential Backoff and
 * Jitter", AWS Architecture Blog, 2015).
 */
import type { RetryPolicy } from "../workflow/definition.ts";

/**
 * Milliseconds until the next try after the `attempt`-th (from 1) failed: evenly between 0 and
 * `min(maxBackoffMs, backoffMs * 2^(attempt - 1))`. `undefined` when there is none.
 */
export function retryDelayMs(
  policy: RetryPolicy | undefined,
  attempt: number,
  random: () => number = Math.random,
): number | undefined {
  if (policy === undefined || attempt >= policy.maxAttempts) return undefined;
  const ceiling = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** Math.min(attempt - 1, 40));
  return Math.round(random() * ceiling);
}
