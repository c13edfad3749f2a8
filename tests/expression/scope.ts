/** What an expression sees in tests. */
import type { JsonValue } from "../../src/lib/json.ts";
import type { NodeContext } from "../../src/workflow/definition.ts";
import type { Scope } from "../../src/expression/scope.ts";

/** A scope around an input. */
export function scopeOf(input: JsonValue, rest: Partial<Scope> = {}): Scope {
  return {
    input,
    trigger: null,
    nodes: {},
    execution: { id: "0197", workflowId: "orders", version: 1 },
    ...rest,
  };
}

/** What a node is given, around an input. */
export function contextOf(input: JsonValue, rest: Partial<NodeContext> = {}): NodeContext {
  return {
    scope: scopeOf(input),
    nodeId: "node",
    attempt: 1,
    now: Date.now,
    signal: new AbortController().signal,
    idempotencyKey: "0197:node",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ...rest,
  };
}
