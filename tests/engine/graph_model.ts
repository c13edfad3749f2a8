/**
 * What section 6 of the design says of an execution, written from its text and knowing nothing of the engine: what
 * becomes of each node, and as much of the rest as does not depend on which of two branches is faster.
 */
import type { JsonValue } from "../../src/lib/json.ts";
import { type Graph, type GraphNode, stepOutput, type StepParameters } from "./graphs.ts";

/** What becomes of a node. `unreached`: something before it failed, and that ended the execution. */
export type Fate =
  | { readonly status: "completed"; readonly output: JsonValue; readonly outputs: readonly string[] }
  | { readonly status: "failed"; readonly code: string; readonly handled: "continue" | "branch" | undefined }
  | { readonly status: "skipped" | "unreached" };

/** What is certain of an execution. */
export interface Expected {
  readonly status: "completed" | "failed";
  /** By node, without triggers. */
  readonly fates: ReadonlyMap<string, Fate>;
  /** How often each node is tried when nothing interrupts it. */
  readonly tries: ReadonlyMap<string, number>;
  /** The nodes of which one ends the execution by its failure. */
  readonly culprits: readonly string[];
  /** The nodes of which one completes last; with the trigger. */
  readonly last: readonly string[];
  /** The `httpResponse` nodes of which one completes first, and last. */
  readonly firstResponders: readonly string[];
  readonly lastResponders: readonly string[];
  /** Nodes, and triggers, whose end comes before a node's start. */
  readonly before: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Works out what becomes of a graph. */
export function expect({ definition, trigger }: Graph, input: JsonValue): Expected {
  const isTrigger = (node: GraphNode) => node.type === "manual" || node.type === "webhook";
  const fates = new Map<string, Fate>();
  const tries = new Map<string, number>();
  const before = new Map<string, Set<string>>();
  for (const node of definition.nodes) {
    before.set(node.id, new Set());
    if (isTrigger(node)) {
      const started = { status: "completed", output: input, outputs: ["main"] } as const;
      fates.set(node.id, node.id === trigger ? started : { status: "skipped" });
      continue;
    }
    const incoming = definition.connections.filter(({ to }) => to === node.id);
    for (const { from } of incoming) {
      before.get(node.id)!.add(from);
      for (const earlier of before.get(from)!) before.get(node.id)!.add(earlier);
    }
    const ways = incoming.map(({ from, output }) => ({ from, carries: carries(fates.get(from)!, output, from) }));
    const delivered = ways.filter(({ carries }) => carries !== "dead" && carries !== "open");
    if (ways.some(({ carries }) => carries === "open")) fates.set(node.id, { status: "unreached" });
    else if (delivered.length === 0) fates.set(node.id, { status: "skipped" });
    else {
      const values = delivered.map(({ from, carries }) => [from, (carries as { value: JsonValue }).value] as const);
      const hasOnePredecessor = new Set(ways.map(({ from }) => from)).size === 1;
      const { fate, count } = run(node, hasOnePredecessor ? values[0]![1] : Object.fromEntries(values));
      fates.set(node.id, fate);
      tries.set(node.id, count);
    }
  }
  const idsOf = (wanted: (fate: Fate, node: GraphNode) => boolean) =>
    definition.nodes.filter((node) => wanted(fates.get(node.id)!, node)).map(({ id }) => id);
  const culprits = idsOf((fate) => fate.status === "failed" && fate.handled === undefined);
  const completed = idsOf(({ status }) => status === "completed");
  const responders = idsOf(({ status }, { type }) => status === "completed" && type === "httpResponse");
  const latest = (ids: string[]) => ids.filter((id) => !ids.some((other) => before.get(other)!.has(id)));
  return {
    status: culprits.length > 0 ? "failed" : "completed",
    fates: new Map([...fates].filter(([id]) => !isTrigger(definition.nodes.find((node) => node.id === id)!))),
    tries,
    culprits,
    last: latest(completed),
    firstResponders: responders.filter((id) => !responders.some((other) => before.get(id)!.has(other))),
    lastResponders: latest(responders),
    before,
  };
}

/** What a connection carries from its source: nothing any more, nothing yet, or a value. */
function carries(source: Fate, output: string, from: string): "dead" | "open" | { value: JsonValue } {
  switch (source.status) {
    case "skipped":
      return "dead";
    case "unreached":
      return "open";
    case "completed":
      return source.outputs.includes(output) ? { value: source.output } : "dead";
    case "failed": {
      if (source.handled === undefined) return "open";
      const isTaken = output === (source.handled === "branch" ? "error" : "main");
      return isTaken ? { value: { error: { code: source.code, message: from } } } : "dead";
    }
  }
}

function run(node: GraphNode, input: JsonValue): { fate: Fate; count: number } {
  const { id, type, parameters, onError = "fail", retry } = node;
  const hasError = typeof input === "object" && input !== null && "error" in input;
  const done = (output: JsonValue, outputs = ["main"]) => ({
    fate: { status: "completed", output, outputs } as const,
    count: 1,
  });
  const failed = (code: string, count: number) => ({
    fate: { status: "failed", code, handled: onError === "fail" ? undefined : onError } as const,
    count,
  });
  switch (type) {
    case "transform":
      return done(hasError);
    case "delay":
      return done(input);
    case "httpResponse":
      return done({ status: 201, headers: {}, body: id });
    case "fail":
      return failed("broken", 1);
    case "switch": {
      const { cases, else: other } = parameters as { cases: { output: string; when: JsonValue }[]; else?: string };
      const taken = cases.find(({ when }) => typeof when === "boolean" ? when : hasError)?.output ?? other;
      return done(input, taken === undefined ? [] : [taken]);
    }
  }
  const { failures, kind } = parameters as unknown as StepParameters;
  if (failures > 0 && kind === "terminal") return failed("wrong", 1);
  const most = retry?.maxAttempts ?? 1;
  return failures < most ? { ...done(stepOutput(id, input)), count: failures + 1 } : failed("busy", most);
}
