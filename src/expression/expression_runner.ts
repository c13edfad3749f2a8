/**
 * The port of runners, which evaluate expressions that are too much for the main thread.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Scope } from "./scope.ts";

/** An expression to evaluate from its beginning; can be cloned. */
export interface ExpressionJob {
  readonly source: string;
  readonly limits: { readonly timeoutMs: number; readonly maxDepth: number; readonly maxSize: number };
  /** The part of the scope that the expression reads, and the time of its `$now()`. */
  readonly scope: Omit<Scope, "signal"> & { readonly now: number };
}

/** Evaluates expressions elsewhere. */
export interface ExpressionRunner {
  /**
   * Resolves and rejects as an evaluation on the main thread does; rejects also with a `RetryableError`
   * `expression_busy` when too many jobs wait, and with the signal's reason.
   *
   * @param options.owner owners take turns
   */
  run(job: ExpressionJob, options: { owner: string; signal: AbortSignal | undefined }): Promise<JsonValue>;
}
