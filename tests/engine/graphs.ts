/**
 * Random workflows: every shape that a definition may have, with nodes that do what their parameters say.
 */
import fc from "fast-check";
import { z } from "zod";
import { RetryableError, TerminalError } from "../../src/lib/errors.ts";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";

/** A definition, and how an execution of it is requested. */
export interface Graph {
  readonly definition: {
    readonly nodes: readonly GraphNode[];
    readonly connections: readonly { from: string; to: string; output: string }[];
  };
  /** The trigger that starts it; the others are dead. */
  readonly trigger: string;
  readonly replyEarly: boolean;
}

/** A node of a definition. */
export interface GraphNode {
  readonly id: string;
  readonly type: string;
  readonly parameters: JsonObject;
  readonly onError?: "fail" | "continue" | "branch";
  readonly retry?: { maxAttempts: number; backoffMs: number; maxBackoffMs: number };
}

/** What a `step` or an `effect` does: waits, fails so many times in this way, completes. */
export interface StepParameters {
  readonly failures: number;
  readonly kind: "retryable" | "terminal";
  readonly waitMs: number | null;
}

const oneOf = fc.constantFrom;
const record = <T>(parts: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(parts, { noNullPrototype: true });
const when = oneOf<JsonValue>(true, false, false, "{{ $exists(error) }}");
const cases = fc.array(record({ output: oneOf("a", "b", "c"), when }), { minLength: 1, maxLength: 3 });
const step = record({
  failures: oneOf(0, 0, 0, 1, 2),
  kind: oneOf("retryable" as const, "retryable" as const, "terminal" as const),
  // What waits longer than a quarter of a second is suspended; a retry too.
  waitMs: oneOf(null, null, null, null, 0, 5, 300),
});
const retry = record({
  maxAttempts: oneOf(1, 2, 3),
  backoffMs: oneOf(0, 1, 1, 600),
  maxBackoffMs: fc.constant(600),
});
const body = fc.oneof(
  { weight: 4, arbitrary: record({ type: oneOf("step", "effect"), parameters: step }) },
  { weight: 3, arbitrary: record({ type: fc.constant("switch"), parameters: record({ cases }) }) },
  {
    weight: 1,
    arbitrary: record({ type: fc.constant("switch"), parameters: record({ cases, else: oneOf("a", "d") }) }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "transform", parameters: { output: "{{ $exists(error) }}" } }) },
  {
    weight: 1,
    arbitrary: record({ type: fc.constant("delay"), parameters: record({ seconds: oneOf(0, 0.01) }) }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "httpResponse", parameters: {} }) },
  { weight: 1, arbitrary: fc.constant({ type: "fail", parameters: {} }) },
);
const planned = record({
  body,
  onError: oneOf("fail" as const, "continue" as const, "continue" as const, "branch" as const, "branch" as const),
  retry: fc.option(retry, { nil: undefined }),
  /** Where its connections come from, and which outputs they leave by. */
  incoming: fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 4 }),
  /** All of them from the first one's source. */
  fromOne: oneOf(true, false, false, false),
});

/** Any graph of up to twelve nodes and three triggers. */
export const graphs: fc.Arbitrary<Graph> = record({
  hooks: fc.nat({ max: 2 }),
  start: fc.nat(),
  replyEarly: fc.boolean(),
  nodes: fc.array(planned, { minLength: 1, maxLength: 12, size: "max" }),
}).map(({ hooks, start, replyEarly, nodes }) => {
  const triggers: GraphNode[] = [{ id: "start", type: "manual", parameters: {} }];
  for (let n = 0; n < hooks; n++) triggers.push({ id: `hook${n}`, type: "webhook", parameters: { path: `path${n}` } });
  const made = [...triggers];
  const connections = new Map<string, { from: string; to: string; output: string }>();
  for (const [n, { body, onError, retry, incoming, fromOne }] of nodes.entries()) {
    const id = `n${n}`;
    for (const [a, b] of incoming) {
      const from = made[(fromOne ? incoming[0]![0] : a) % made.length]!;
      const outputs = outputsOf(from);
      const output = outputs[b % outputs.length]!;
      connections.set(`${from.id} ${id} ${output}`, { from: from.id, to: id, output });
    }
    const named: Record<string, object> = {
      httpResponse: { status: 201, body: id },
      fail: { code: "broken", message: id },
    };
    const parameters = (named[body.type] ?? body.parameters) as JsonObject;
    made.push({ id, type: body.type, parameters, onError, ...(retry === undefined ? {} : { retry }) });
  }
  const trigger = triggers[start % triggers.length]!.id;
  return { definition: { nodes: made, connections: [...connections.values()] }, trigger, replyEarly };
});

function outputsOf({ type, parameters, onError }: GraphNode): string[] {
  const more = onError === "branch" ? ["error"] : [];
  if (type !== "switch") return ["main", ...more];
  const { cases, else: other } = parameters as { cases: { output: string }[]; else?: string };
  return [...cases.map(({ output }) => output), ...(other === undefined ? [] : [other]), ...more];
}

/** The node types `step` and `effect`; `onCall` hears of each try, by its idempotency key. */
export function stepTypes(onCall: (key: string) => void): [string, NodeType<StepParameters>][] {
  const parameters = z.strictObject({
    failures: z.number(),
    kind: z.enum(["retryable", "terminal"]),
    waitMs: z.number().nullable(),
  });
  return ["step", "effect"].map((type) => [type, {
    type,
    hasSideEffects: type === "effect",
    parameters,
    compile: ({ failures, kind, waitMs }) => async ({ scope, nodeId, attempt, waitedUntil, now, idempotencyKey }) => {
      onCall(idempotencyKey);
      await Promise.resolve();
      if (waitMs !== null && waitedUntil === undefined) return { waitUntil: now() + waitMs };
      if (attempt <= failures) {
        throw kind === "terminal" ? new TerminalError("wrong", nodeId) : new RetryableError("busy", nodeId);
      }
      return { output: stepOutput(nodeId, scope.input) };
    },
  }]);
}

/** What a `step` makes of its input: small, and different for every input. */
export function stepOutput(nodeId: string, input: JsonValue): JsonValue {
  let hash = 0;
  for (const character of canonical(input)) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0;
  return { at: nodeId, saw: hash };
}

/** JSON whose objects have their members in order. */
export function canonical(value: JsonValue): string {
  return JSON.stringify(
    value,
    (_, part) =>
      typeof part !== "object" || part === null || Array.isArray(part)
        ? part
        : Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1)),
  );
}
