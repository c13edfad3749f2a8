/**
 * The scope of expressions, and the type of compiled templates.
 */
import type { JsonValue } from "../lib/json.ts";

/**
 * Gives a value for an input: what a template of JSON with `{{ expressions }}` compiles to. By a promise only where one of
 * its expressions does; so it may throw, as well as reject.
 */
export type Template = (scope: Scope) => JsonValue | Promise<JsonValue>;

/** The data that an expression can read. */
export interface Scope {
  /** The node's input: bare names read it. */
  readonly input: JsonValue;
  /** `$trigger`: the trigger's output. */
  readonly trigger: JsonValue;
  /** `$nodes.<id>`: outputs of the nodes that completed. */
  readonly nodes: Readonly<Record<string, JsonValue>>;
  /** `$execution`. */
  readonly execution: { readonly id: string; readonly workflowId: string; readonly version: number };
  /** The time of `$now()` and `$millis()`, in epoch milliseconds. Default the process's time. */
  readonly now?: number;
  /** Aborts when nobody waits for the value any more. Read only where an evaluation takes long. */
  readonly signal?: AbortSignal;
}
