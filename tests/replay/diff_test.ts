import { test } from "uvu";
import * as assert from "uvu/assert";
import { sameJson } from "../../src/lib/same_json.ts";
import { diffRuns } from "../../src/replay/diff.ts";
import { recordingOf } from "../../src/replay/recording.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileWorkflow } from "../../src/workflow/compile.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
import type { WorkflowDefinition } from "../../src/workflow/definition.ts";
import { completedRun, stored } from "./logs.ts";

const definition = {
  nodes: [
    { id: "hook", type: "manual" },
    { id: "sum", type: "transform", parameters: { output: 1 } },
    { id: "reply", type: "httpResponse", parameters: {} },
  ],
  connections: [{ from: "hook", to: "sum" }, { from: "sum", to: "reply" }],
} as unknown as WorkflowDefinition;
const workflow = compileWorkflow(
  { id: "orders", version: 1, definition, updatedAt: 1 },
  { nodeTypes: createNodeTypes({ fetch }) },
);
const run = (events: StoredEvent[], id = "a") => ({ recording: recordingOf(id, events), workflow });

test("sameJson() goes by values, not by the order of members", () => {
  assert.ok(sameJson({ a: 1, b: [null, { c: "x" }] }, { b: [null, { c: "x" }], a: 1 }));
  assert.ok(sameJson(0, -0));
  for (
    const [a, b] of [[1, "1"], [null, {}], [[], {}], [[1, 2], [2, 1]], [{ a: 1 }, { b: 1 }], [{ a: 1 }, { a: 1, b: 1 }]]
  ) assert.not.ok(sameJson(a as never, b as never), JSON.stringify([a, b]));
  assert.not.ok(sameJson(JSON.parse('{"__proto__":1}'), { a: 1 }));
  assert.not.ok(sameJson({ a: 1 }, JSON.parse('{"__proto__":1}')));
  const deep = () => JSON.parse("[".repeat(5000) + "]".repeat(5000));
  assert.ok(sameJson(deep(), deep()));
});

test("diffRuns() of a run with itself finds everything the same, and says how long each node took", () => {
  const { same, nodes, a } = diffRuns(run(completedRun()), run(completedRun(), "b"));
  assert.ok(same);
  assert.equal(nodes.map(({ node, same, changed }) => [node, same, changed]), [
    ["hook", true, []],
    ["sum", true, []],
    ["reply", true, []],
  ]);
  assert.equal(nodes[1]!.durationMs, { a: 1, b: 1 });
  assert.equal(nodes[1]!.input, { same: true });
  assert.is(a.durationMs, 6);
});

test("diffRuns() names the node whose output differs and those who were given it, with both values", () => {
  const { same, nodes } = diffRuns(run(completedRun({ total: 1 })), run(completedRun({ total: 2 }), "b"));
  assert.not(same);
  assert.equal(nodes.map(({ changed }) => changed), [[], ["output"], ["input"]]);
  assert.equal(nodes[1]!.output, { same: false, a: { total: 1 }, b: { total: 2 } });
  assert.equal(nodes[2]!.input, { same: false, a: { total: 1 }, b: { total: 2 } });
  assert.equal(nodes[2]!.output, { same: true });
});

test("diffRuns() tells a failure and the nodes that it kept from running, without what only operators may see", () => {
  const failed = stored([
    ...completedRun().slice(0, 3),
    { type: "node.failed", node: "sum", data: { error: { code: "x", message: "no", detail: "secret", node: "sum" } } },
    { type: "execution.failed", data: { error: { code: "x", message: "no", detail: "secret", node: "sum" } } },
  ]);
  const diff = diffRuns(run(completedRun()), run(failed, "b"));
  assert.equal(diff.nodes.map(({ node, changed, status }) => [node, changed, status.a, status.b]), [
    ["hook", [], "completed", "completed"],
    ["sum", ["status", "output", "error"], "completed", "failed"],
    ["reply", ["status", "input", "output"], "completed", null],
  ]);
  assert.equal(diff.b.error, { code: "x", message: "no", node: "sum" });
  assert.not.match(JSON.stringify(diff), /secret/);
});

test("diffRuns() leaves inputs out where a workflow is no longer known", () => {
  const { nodes } = diffRuns(run(completedRun()), { recording: recordingOf("b", completedRun({ total: 2 })) });
  assert.equal(nodes.map(({ changed }) => changed), [[], ["output"], []]);
  assert.is(nodes[2]!.input, undefined);
});

test("diffRuns() sees that a switch took another way", () => {
  const way = (outputs: string[]) =>
    stored([
      ...completedRun().slice(0, 3),
      { type: "node.completed", node: "sum", data: { output: 1, outputs } },
    ]);
  assert.equal(diffRuns(run(way(["main"])), run(way(["other"]), "b")).nodes[1]!.changed, ["status"]);
});

test.run();
