/**
 * What expressions see, and what they are compiled to.
 */
import type { JsonValue } from "../lib/json.ts";

/** Gives a value for an input: what a template of JSON with `{{ expressions }}` compiles to. */
export type Template = (scope: Scope) => Promise<JsonValue>;

/** What an expression can see. */
export interface Scope {
  /** The node's input: bare names read it. */
  readonly input: JsonValue;
  /** `$trigger`: the trigger's output. */
  readonly trigger: JsonValue;
  /** `$nodes.<id>`: outputs of the nodes that completed. */
  readonly nodes: Readonly<Record<string, JsonValue>>;
  /** `$execution`. */
  readonly execution: { readonly id: string; readonly workflowId: string; readonly version: number };
  /** What `$now()` and `$millis()` say, in epoch milliseconds; the process's own time by default. */
  readonly now?: number;
  /** Aborts when nobody waits for the value any more. Read only where an evaluation takes long. */
  readonly signal?: AbortSignal;
}
