/**
 * Brings what ran in memory back to the store, under its own ids.
 */
import type { FallbackSession } from "./fallback_session.ts";
import type { Arrivals } from "./arrivals.ts";

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
  readonly counts: { -readonly [Name in keyof FallbackCounts]: FallbackCounts[Name] };
  /** Called with each execution that ran in both places. */
  readonly onReport: (report: FallbackReport) => void;
}

/** Writes all that a session has; false when something is left for the next time, since the store did not take it. */
export async function handOver(
  session: FallbackSession,
  { arrivals, counts, onReport }: HandOverOptions,
): Promise<boolean> {
  let executions = 0;
  try {
    for await (const execution of session.leave()) {
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
    await session[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    onReport({ what: "failed", error });
    return false;
  } finally {
    if (executions > 0) onReport({ what: "handed over", executions });
  }
}
