/**
 * Graphs whose nodes do what a plan says, and runs of them from any log, as a worker would, one event at a time.
 */
import * as assert from "uvu/assert";
import { z } from "zod";
import { Frontier, interrupt } from "../../src/engine/advance.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import { applyEvent, emptyState } from "../../src/execution/state.ts";
import { manual } from "../../src/nodes/manual.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import type { Graph } from "../../src/workflow/graph.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";
import { advance } from "./advance_model.ts";

/** What becomes of each try of a node. */
export type Outcome = "main" | "alt" | "retry" | "wait" | "fail";
/** What becomes of the tries of a node, and of its failure. */
export interface Plan {
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
export type Choose = (count: number) => number;

/** A graph whose nodes do what their plans say, and a way to run it from any log. */
export function makeWorld(
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

/** The type of every node but the trigger; it is never run. */
export const step: NodeType<object> = {
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
