/**
 * Runs nodes under locks that all instances share.
 */
import { RetryableError, TerminalError } from "../lib/errors.ts";
import { checkLockName } from "../locks/lock_rules.ts";
import type { Locks } from "../locks/locks.ts";
import type { RunLocked } from "../workflow/node_lock.ts";

/**
 * Makes the function by which nodes take their locks. A node whose lock does not come in time, or is lost while it runs,
 * has failed in a way that another try may help.
 */
export function createRunLocked(locks: Locks): RunLocked {
  return async function runLocked(name, { ttlMs, waitMs, signal }, work) {
    const fault = checkLockName(name);
    if (fault !== undefined) {
      throw new TerminalError("invalid_lock", "The node's lock cannot have this name", { detail: fault });
    }
    await using lock = await locks.acquire(name, { ttlMs, waitMs, signal }).catch((error) => {
      if (error?.name !== "TimeoutError") throw error;
      throw new RetryableError("lock_unavailable", "The node's lock did not become free in time", {
        detail: `"${name}" was held for ${waitMs} ms`,
      });
    });
    const lost = () => new RetryableError("lock_lost", "The node lost its lock", { detail: `It was "${name}"` });
    try {
      const result = await work(AbortSignal.any([signal, lock.signal]));
      if (lock.signal.aborted) throw lost();
      return result;
    } catch (error) {
      throw lock.signal.aborted && !signal.aborted ? lost() : error;
    }
  };
}
