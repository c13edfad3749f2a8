/**
 * `settings.lock`: which value of the trigger's output an execution locks.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError, MillraceError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { makeRequest } from "../../src/execution/execution_request.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import { mayFallBack } from "../../src/execution/may_fall_back.ts";
import { locked } from "../../src/execution/workflow_lock.ts";
import { manual } from "../../src/nodes/manual.ts";
import { compileWorkflow } from "../../src/workflow/compile.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";

/** A workflow with these settings. */
function compiled(settings: object) {
  const definition = { nodes: [{ id: "start", type: "manual" }], settings };
  const nodeTypes = new Map([["manual", manual as NodeType]]);
  return compileWorkflow({ id: "w", version: 1, updatedAt: 0, definition: definition as never }, { nodeTypes });
}

/** What a request of such a workflow asks for, and how its id was drawn. */
async function requested(settings: object, input: JsonValue = null) {
  const workflow = compiled(settings);
  const drawn: unknown[] = [];
  const log = { makeId: (options: unknown) => (drawn.push(options), uuidv7()) };
  const made = makeRequest(log, { workflow, trigger: "start", input, historyTtlSeconds: 60 });
  const request: ExecutionRequest = workflow.lock === undefined ? made : await locked(made, workflow.lock);
  return { concurrency: request.concurrency, limited: (drawn[0] as { limited: boolean }).limited };
}

const digest = async (lock: string, input: JsonValue) => (await requested({ lock }, input)).concurrency!.lock!;

test("locked() tells values apart by a short digest; text, numbers and truth values have one", async () => {
  const lock = "{{ body.customer }}";
  const values = ["a", "b", "A", "a ", "0", "é", "e\u0301", "x".repeat(100_000), "true", "\u0000", ":", "__proto__"];
  const digests = await Promise.all(values.map((customer) => digest(lock, { body: { customer } })));
  assert.is(new Set(digests).size, values.length);
  for (const each of digests) assert.match(each, /^[\w-]{22}$/);
  assert.is(await digest(lock, { body: { customer: 0 } }), digests[4]);
  assert.is(await digest(lock, { body: { customer: true } }), digests[8]);
  assert.is(await digest("{{ body.a }}:{{ body.b }}", { body: { a: 1, b: 2 } }), await digest("1:2", null));
  assert.is(await digest("{{ $trigger.n }}", { n: "a" }), digests[0]);
});

test("locked() refuses what has no value, or one that is not a single one, and an expression that fails", async () => {
  const cases: [string, JsonValue, RegExp][] = [
    ["{{ body.customer }}", { body: {} }, /has no value/],
    ["{{ body.customer }}", { body: { customer: null } }, /has no value/],
    ["{{ body.customer }}", { body: { customer: "" } }, /has no value/],
    ["{{ body.customer }}", { body: { customer: {} } }, /object or a list/],
    ["{{ body.customer }}", { body: { customer: [1, 2] } }, /object or a list/],
    ["{{ $number(body.customer) }}", { body: { customer: "x" } }, /failed \(\w+\)/],
  ];
  for (const [lock, input, message] of cases) {
    const error = await requested({ lock }, input).then(() => undefined, (error) => error);
    assert.instance(error, MillraceError, JSON.stringify(input));
    assert.is(error.code, "invalid_lock");
    assert.match(error.message, message);
  }
});

test("a lock alone sets no limit to its workflow; onOverlap beside it is of each value", async () => {
  const without = async (settings: object) => {
    const { concurrency: { lock: _lock, ...rest } = { onOverlap: "none" }, limited } = await requested(settings, {});
    return { ...rest, limited };
  };
  assert.equal(await without({ lock: "a" }), { onOverlap: "queue", limited: true });
  assert.equal(await without({ lock: "a", onOverlap: "skip" }), { onOverlap: "reject", limited: true });
  assert.equal(await without({ lock: "a", concurrency: 3 }), { onOverlap: "queue", limit: 3, limited: true });
  assert.equal(await without({ onOverlap: "reject" }), { onOverlap: "reject", limit: 1, limited: true });
  assert.equal(await without({}), { onOverlap: "none", limited: false });
});

test("what is wrong with a lock is a fault of the definition, and it does not fall back to memory", () => {
  for (
    const [settings, pointer] of [
      [{ lock: "" }, "/settings/lock"],
      [{ lock: 1 }, "/settings/lock"],
      [{ lock: "{{ ( }}" }, "/settings/lock"],
      [{ lock: "x".repeat(5000) }, "/settings/lock"],
      [{ lock: "a", fallback: true }, "/settings/fallback"],
      [{ lock: "{{ ( }}", fallback: true }, "/settings/fallback /settings/lock"],
    ] as const
  ) {
    assert.throws(
      () => compiled(settings),
      (error: unknown) =>
        error instanceof InvalidWorkflowError && error.faults.map(({ pointer }) => pointer).join(" ") === pointer,
    );
  }
  const workflow = { ...compiled({ lock: "a" }), webhooks: [{ nodeId: "start" }] } as never;
  assert.is(mayFallBack({ workflow, trigger: "start", wait: { timeoutMs: 1 } }), false);
});

test.run();
