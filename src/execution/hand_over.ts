/**
 * Brings what ran in memory back to the store, under its own ids.
 */
import type { Mutable } from "../lib/mutable.ts";
import type { Arrivals, ArrivingExecution } from "./arrivals.ts";
import type { FallbackSession } from "./fallback_session.ts";

/** How many executions are written at once: soon enough, and without keeping what is new waiting. */
const AT_ONCE = 16;

/** Something that operators should know. */
export type FallbackReport =
  | { readonly what: "away" | "back" }
  | { readonly what: "ran twice"; readonly executionId: string }
  | { readonly what: "key used twice"; readonly executionId: string; readonly other: string }
  | { readonly what: "handed over"; readonly executions: number }
  | { readonly what: "failed"; readonly error: unknown };

/** Conflicts found by hand-overs since the instance was started. */
export interface FallbackCounts {
  /** Executions that ran in memory, and that the store had too. */
  readonly ranTwice: number;
  /** Idempotency keys that started one execution here and another one there. */
  readonly keysUsedTwice: number;
}

/** What {@linkcode handOver} takes. */
export interface HandOverOptions {
  /** Writes the executions into the store. */
  readonly arrivals: Arrivals;
  /** Raised with each execution that was handed over. */
  readonly counts: Mutable<FallbackCounts>;
  /** Called with each execution that ran in both places. */
  readonly onReport: (report: FallbackReport) => void;
}

/** Writes all that a session has; false when something is left for the next time, since the store did not take it. */
export async function handOver(
  session: FallbackSession,
  { arrivals, counts, onReport }: HandOverOptions,
): Promise<boolean> {
  let executions = 0;
  async function write(execution: ArrivingExecution): Promise<void> {
    const { executionId } = execution.request;
    const { what, keyOf } = await arrivals.write(execution);
    if (what === "existing") {
      counts.ranTwice++;
      onReport({ what: "ran twice", executionId });
    }
    if (keyOf !== undefined) {
      counts.keysUsedTwice++;
      onReport({ what: "key used twice", executionId, other: keyOf });
    }
    session.forget(executionId);
    executions++;
  }
  try {
    const leaving = session.leave();
    // Each takes the next one; all have ended, well or not, before anything else is done with the session.
    const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, async () => {
      for (let next = await leaving.next(); !next.done; next = await leaving.next()) await write(next.value);
    }));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    await session[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    onReport({ what: "failed", error });
    return false;
  } finally {
    if (executions > 0) onReport({ what: "handed over", executions });
  }
}
