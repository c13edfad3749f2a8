/**
 * The port to whatever evaluates expressions that are too much for the thread that answers everybody.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Scope } from "./scope.ts";

/** An expression to evaluate from its beginning: a value that can be cloned. */
export interface ExpressionJob {
  readonly source: string;
  readonly limits: { readonly timeoutMs: number; readonly maxDepth: number; readonly maxSize: number };
  /** What the expression reads of its scope, and the time that it began at. */
  readonly scope: Omit<Scope, "signal"> & { readonly now: number };
}

/** Evaluates expressions elsewhere. */
export interface ExpressionRunner {
  /**
   * Gives what the expression gives in line. Rejects with a `TerminalError` as it would there; with a `RetryableError`
   * whose code is `expression_busy` when too much waits already; with the signal's reason.
   *
   * @param options.owner whose job it is: owners take turns
   */
  run(job: ExpressionJob, options: { owner: string; signal: AbortSignal | undefined }): Promise<JsonValue>;
}
