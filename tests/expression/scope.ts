/** What an expression sees in tests, and what comes of it. */
import * as assert from "uvu/assert";
import { compileExpression } from "../../src/expression/expression.ts";
import type { TerminalError } from "../../src/lib/errors.ts";
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
    progress: () => {},
    now: Date.now,
    signal: new AbortController().signal,
    idempotencyKey: "0197:node",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ...rest,
  };
}

/** Evaluates an expression over an input. */
export async function evaluate(source: string, input: JsonValue = null): Promise<JsonValue> {
  return await compileExpression(source).evaluate(scopeOf(input));
}

/** Evaluates to JSON text: JSONata makes objects without a prototype. */
export async function text(source: string, input: JsonValue = null): Promise<string> {
  return JSON.stringify(await evaluate(source, input));
}

/** The error of an expression. */
export async function failure(source: string, input: JsonValue = null, timeoutMs = 1000): Promise<TerminalError> {
  try {
    await compileExpression(source, { timeoutMs }).evaluate(scopeOf(input));
  } catch (error) {
    assert.is((error as Error).name, "TerminalError");
    return error as TerminalError;
  }
  throw new Error(`${source} did not fail`);
}
