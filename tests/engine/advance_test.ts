/**
 * The engine's decision is a function of the log alone: whatever prefix of a run's events survives, whoever goes on
 * from it comes to the same end, and runs nothing again that had completed. What `Frontier` keeps up to date is the same.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Frontier, interrupt, responders } from "../../src/engine/advance.ts";
import { isTerminal, type LogEvent } from "../../src/execution/event.ts";
import { applyEvent, emptyState } from "../../src/execution/state.ts";
import { manual } from "../../src/nodes/manual.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import { advance } from "./advance_model.ts";
import { makeWorld, type Outcome, step } from "./advance_world.ts";

const test = suite("Frontier");

const outcome = fc.constantFrom<Outcome>("main", "main", "main", "alt", "retry", "wait", "fail");
const plan = fc.record({
  tries: fc.array(outcome, { minLength: 1, maxLength: 4 }),
  onError: fc.constantFrom("fail" as const, "continue" as const, "branch" as const, "continue" as const),
});
const runs = fc.record({
  plans: fc.array(plan, { minLength: 1, maxLength: 9 }),
  edges: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom("main", "main", "alt", "error")), { maxLength: 18 }),
  order: fc.infiniteStream(fc.nat()),
});

test("decide() comes to the same end from any prefix of a run's events", () => {
  fc.assert(
    fc.property(runs, ({ plans, edges }) => {
      // Nothing takes time here: what is run again would come after what fell due meanwhile.
      const world = makeWorld(plans, edges, { delayMs: 0 });
      const whole = world.run([], () => 0);
      for (let length = 1; length < whole.length; length++) {
        const resumed = world.run(whole.slice(0, length), () => 0);
        assert.equal(summary(resumed), summary(whole));
        assertNothingAgain(resumed);
      }
    }),
    { numRuns: 300 },
  );
});

test("decide() comes to the same states of the nodes whatever order branches end in", () => {
  fc.assert(
    fc.property(runs, ({ plans, edges, order }) => {
      const handled = plans.map((one) => ({
        ...one,
        onError: one.onError === "fail" ? "continue" as const : one.onError,
      }));
      const world = makeWorld(handled, edges, { delayMs: 50 });
      const choose = (count: number) => order.next().value! % count;
      const [one, other] = [world.run([], () => 0), world.run([], choose)];
      assert.equal(nodesOf(other), nodesOf(one));
      const cut = other.slice(0, 1 + choose(other.length));
      assert.equal(nodesOf(world.run(cut, choose)), nodesOf(one));
    }),
    { numRuns: 300 },
  );
});

test("decide() names the time at which the next node is due, and starts it then", () => {
  const world = makeWorld([{ tries: ["retry", "main"], onError: "fail" }], [], { delayMs: 50 });
  const state = emptyState();
  for (const event of world.run([], () => 0).slice(0, 3)) applyEvent(state, event);
  const dueAt = state.nodes.get("n0")!.dueAt!;
  const frontier = new Frontier(world.graph, state);
  assert.equal(frontier.decide(dueAt - 1), { start: [], skip: [], dueAt });
  assert.equal(frontier.decide(dueAt), { start: ["n0"], skip: [] });
});

test("decide() says the same until it is carried out, and again what was interrupted", () => {
  const definition = {
    nodes: [
      { id: "other", type: "webhook", parameters: { path: "other" } },
      { id: "start", type: "manual" },
      ...["theirs", "ours", "both"].map((id) => ({ id, type: "step" })),
    ],
    connections: [["other", "theirs"], ["start", "ours"], ["theirs", "both"], ["ours", "both"]].map(([from, to]) => ({
      from,
      to,
    })),
  };
  const nodeTypes = new Map([...createNodeTypes({ fetch }), ["step", step] as const]);
  const { graph } = compileDefinition(definition, { nodeTypes });
  const state = emptyState();
  const requested = { workflowId: "w", version: 1, trigger: "start", input: null };
  applyEvent(state, { type: "execution.requested", time: 1, data: requested });
  const frontier = new Frontier(graph, state);
  const tell = (event: object, node: string) => {
    applyEvent(state, { time: 2, node, ...event } as LogEvent);
    frontier.touch(node);
  };
  for (let n = 0; n < 2; n++) assert.equal(frontier.decide(2), { start: ["ours"], skip: ["theirs"] });
  tell({ type: "node.skipped", data: {} }, "theirs");
  tell({ type: "node.started", data: { attempt: 1 } }, "ours");
  assert.equal(frontier.decide(2), { start: [], skip: [] });
  interrupt(state, "ours");
  frontier.touch("ours");
  assert.equal(frontier.decide(2), { start: ["ours"], skip: [] });
  tell({ type: "node.started", data: { attempt: 1 } }, "ours");
  tell({ type: "node.completed", data: { output: 1 } }, "ours");
  assert.equal(frontier.decide(2), { start: ["both"], skip: [] });
  assert.equal(frontier.decide(2), advance(graph, state, 2));
});

test("responders() names responses in the order of the log, whatever the times say", () => {
  const reply = (id: string) => ({ id, type: "httpResponse" });
  const definition = {
    nodes: [{ id: "start", type: "manual" }, reply("one"), reply("two")],
    connections: [{ from: "start", to: "one" }, { from: "start", to: "two" }],
  };
  const nodeTypes = new Map([["manual", manual], ["httpResponse", { ...step, type: "httpResponse", responds: true }]]);
  const { graph } = compileDefinition(definition, { nodeTypes });
  const state = emptyState();
  const requested = { workflowId: "w", version: 1, trigger: "start", input: null };
  const events = [
    { type: "execution.requested", time: 1000, data: requested },
    { type: "node.started", time: 1001, node: "two", data: { attempt: 1 } },
    { type: "node.completed", time: 9000, node: "two", data: { output: null } },
    // By a worker that took over, and whose clock is behind.
    { type: "node.started", time: 2000, node: "one", data: { attempt: 1 } },
    { type: "node.completed", time: 2001, node: "one", data: { output: null } },
  ] as const;
  for (const event of events) applyEvent(state, event);
  assert.equal(responders(graph, state), ["two", "one"]);
});

test.run();

/** What a caller can tell of a run: everything but times and repeated starts. */
function summary(events: readonly LogEvent[]): unknown {
  const end = events.at(-1)!;
  return [end.type, end.data, nodesOf(events)];
}

function nodesOf(events: readonly LogEvent[]): unknown {
  const state = emptyState();
  for (const event of events) applyEvent(state, event);
  return [...state.nodes].map(([id, { status, output, outputs }]) => [id, status, output, outputs]).sort();
}

function assertNothingAgain(events: readonly LogEvent[]): void {
  const over = new Set<string>();
  for (const { type, node = "" } of events) {
    assert.not.ok(over.has(node) && node !== "", `${type} of ${node} after its end`);
    if (type === "node.completed" || type === "node.failed" || type === "node.skipped") over.add(node);
  }
  assert.is(events.filter(isTerminal).length, 1);
}
