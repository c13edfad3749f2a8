/**
 * Jobs for expression threads, and what comes of them.
 */
import type { ExpressionJob } from "../../../src/expression/expression_runner.ts";
import type { Scope } from "../../../src/expression/scope.ts";
import type { TerminalError } from "../../../src/lib/errors.ts";
import type { JsonValue } from "../../../src/lib/json.ts";
import { scopeOf } from "../scope.ts";

/** About 40 ms of work on a fast machine: far past what is done in line, far from the limit. */
export const HEAVY = "$sum([1..5000].($ % 7 + $$.n))";
/** Never ends by itself. */
export const ENDLESS = "($f := function($x) { $f($x) }; $f(1))";

/** The value's JSON, or the code that it failed with. */
export async function outcome(value: JsonValue | Promise<JsonValue>): Promise<string> {
  try {
    return JSON.stringify(await value);
  } catch (error) {
    if ((error as Error).name === "TerminalError") return (error as TerminalError).code;
    return (error as TerminalError).code ?? String(error);
  }
}

/** A job as the main thread sends it. */
export function jobOf(source: string, rest: Partial<Scope> = {}, timeoutMs = 60_000): ExpressionJob {
  const { signal: _, ...scope } = scopeOf(null, rest);
  const limits = { timeoutMs, maxDepth: 20_000, maxSize: 1 << 24 };
  return { source, limits, scope: { ...scope, now: 1_700_000_000_000 } };
}
