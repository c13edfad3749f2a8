/**
 * The engine's decision is a function of the log alone: whatever prefix of a run's events survives, whoever goes on
 * from it comes to the same end, and runs nothing again that had completed. What `Frontier` keeps up to date is the same.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { Frontier, interrupt, responders } from "../../src/engine/advance.ts";
import { isTerminal, type LogEvent } from "../../src/execution/event.ts";
import { applyEvent, emptyState } from "../../src/execution/state.ts";
import { manual } from "../../src/nodes/manual.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import type { Graph } from "../../src/workflow/graph.ts";
import { advance } from "./advance_model.ts";

const test = suite("Frontier");

/** What becomes of each try of a node. */
type Outcome = "main" | "alt" | "retry" | "wait" | "fail";
interface Plan {
  readonly tries: Outcome[];
  readonly onError: "fail" | "continue" | "branch";
}

interface World {
  readonly graph: Graph;
  readonly plans: readonly Plan[];
  /** How long a retry is put off; a wait takes twice as long. */
  readonly delayMs: number;
}

/** Picks one of so many, from 0. */
type Choose = (count: number) => number;

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

/** A graph whose nodes do what their plans say, and a way to run it from any log. */
function makeWorld(
  plans: readonly Plan[],
  edges: readonly [number, number, string][],
  { delayMs }: { delayMs: number },
) {
  const nodes = plans.map(({ onError }, n) => ({ id: `n${n}`, type: "step", onError }));
  const connections = new Map([["start n0", { from: "start", to: "n0", output: "main" }]]);
  for (const [a, b, output] of edges) {
    const [from, to] = [a % plans.length, b % plans.length];
    if (from < to && (output !== "error" || plans[from]!.onError === "branch")) {
      connections.set(`${from} ${to} ${output}`, { from: `n${from}`, to: `n${to}`, output });
    }
  }
  for (let n = 1; n < plans.length; n++) {
    if (![...connections.values()].some(({ to }) => to === `n${n}`)) {
      connections.set(`start n${n}`, { from: "start", to: `n${n}`, output: "main" });
    }
  }
  const definition = { nodes: [{ id: "start", type: "manual" }, ...nodes], connections: [...connections.values()] };
  const { graph } = compileDefinition(definition, { nodeTypes: new Map([["manual", manual], ["step", step]]) });
  return { graph, run: (log: LogEvent[], choose: Choose) => run({ graph, plans, delayMs }, log, choose) };
}

const step: NodeType<object> = {
  type: "step",
  hasSideEffects: false,
  parameters: z.object({}),
  outputs: () => ["main", "alt"],
  compile: () => () => Promise.resolve({ output: null }),
};

/** Goes on from a log to the end, as a worker would, one event at a time; `choose` picks which branch moves. */
function run(world: World, log: LogEvent[], choose: Choose): LogEvent[] {
  const { graph, plans, delayMs } = world;
  const events = [...log];
  const state = emptyState();
  let now = 1000;
  for (const event of log) {
    applyEvent(state, event);
    now = Math.max(now, event.time + 1);
  }
  if (log.length === 0) {
    const data = { workflowId: "w", version: 1, trigger: "start", input: "in" };
    const requested = { type: "execution.requested", time: now++, data } as const;
    applyEvent(state, requested);
    events.push(requested);
  }
  for (const id of [...state.nodes.keys()]) interrupt(state, id);
  const frontier = new Frontier(graph, state);
  const apply = (event: { type: string; node?: string; data: object }) => {
    const complete = { ...event, time: now++ } as LogEvent;
    applyEvent(state, complete);
    if (complete.node !== undefined) frontier.touch(complete.node);
    events.push(complete);
  };
  const running: { node: string; attempt: number; waited: boolean }[] = [];
  for (;;) {
    const decision = frontier.decide(now);
    assert.equal(decision, advance(graph, state, now), "what is kept up to date is what the whole state says");
    const { start, skip, dueAt, end } = decision;
    for (const node of skip) apply({ type: "node.skipped", node, data: {} });
    if (end !== undefined) {
      apply({ type: `execution.${end.status}`, data: end.status === "failed" ? { error: end.error } : end });
      return events;
    }
    const idle = start.filter((id) => !running.some(({ node }) => node === id));
    const moves = idle.length + running.length;
    if (moves === 0) {
      if (dueAt === undefined) throw new Error("Nothing is left to do, and it has not ended");
      now = dueAt;
      continue;
    }
    // Running nodes come first: where the choice is always the first, each ends before another starts.
    const move = (choose(moves) + idle.length) % moves;
    if (move < idle.length) {
      const node = idle[move]!;
      const known = state.nodes.get(node);
      if (known?.status === "waiting") running.push({ node, attempt: known.attempts, waited: true });
      else {
        const attempt = (known?.attempts ?? 0) + 1;
        apply({ type: "node.started", node, data: { attempt } });
        running.push({ node, attempt, waited: false });
      }
      continue;
    }
    const [{ node, attempt, waited }] = running.splice(move - idle.length, 1) as [typeof running[number]];
    const { tries, onError } = plans[Number(node.slice(1))]!;
    const what = waited ? "main" : tries[attempt - 1] ?? "main";
    if (what === "retry") {
      const data = { error: { code: "busy", message: "" }, attempt, delayMs, retryAt: now + delayMs };
      apply({ type: "node.retrying", node, data });
    } else if (what === "wait") apply({ type: "node.waiting", node, data: { until: now + 2 * delayMs } });
    else if (what === "fail") {
      const error = { code: "broken", message: node, node };
      apply({ type: "node.failed", node, data: onError === "fail" ? { error } : { error, handled: onError } });
    } else apply({ type: "node.completed", node, data: { output: node, outputs: [what] } });
  }
}

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
