import { test } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError } from "../../src/lib/errors.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileDefinition, webhookRoutes } from "../../src/workflow/compile.ts";

const nodeTypes = createNodeTypes({ fetch });

function compile(definition: unknown) {
  return compileDefinition(definition, { nodeTypes });
}

/** Pointers of all faults, in order. */
function faultsOf(definition: unknown): Record<string, string> {
  try {
    compile(definition);
  } catch (error) {
    if (!(error instanceof InvalidWorkflowError)) throw error;
    return Object.fromEntries(error.faults.map(({ pointer, detail }) => [pointer, detail]));
  }
  return {};
}

const hook = { id: "hook", type: "webhook", parameters: { path: "orders" } };
const to = (from: string, to: string, output?: string) => ({ from, to, ...(output && { output }) });
const transform = (id: string, output: unknown = 1) => ({ id, type: "transform", parameters: { output } });

test("compileDefinition() fills in defaults", () => {
  const { definition, webhooks, graph, run } = compile({
    nodes: [hook, transform("a")],
    connections: [to("hook", "a")],
  });
  assert.equal(definition.settings, { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 });
  assert.is(definition.active, true);
  assert.is(definition.nodes[1]?.onError, "fail");
  assert.equal(definition.connections, [{ from: "hook", to: "a", output: "main" }]);
  assert.equal(webhooks, [
    { nodeId: "hook", path: "orders", methods: ["POST"], responseMode: "lastNode", timeoutSeconds: 30 },
  ]);
  assert.equal([...graph.keys()], ["hook", "a"]);
  assert.equal([...run.keys()], ["a"]);
});

test("compileDefinition() takes its own definition again without a change", () => {
  const { definition } = compile({ name: "x", nodes: [hook, transform("a")], connections: [to("hook", "a")] });
  assert.equal(compile(JSON.parse(JSON.stringify(definition))).definition, definition);
});

test("compileDefinition() keeps the settings of later stages", () => {
  const { definition } = compile({ settings: { concurrency: 2, onOverlap: "queue" }, nodes: [hook] });
  assert.is(definition.settings.concurrency, 2);
  assert.is(definition.settings.onOverlap, "queue");
});

test("compileDefinition() names every fault at once", () => {
  const faults = faultsOf({
    name: "bad",
    settings: { resultTtlSeconds: 0 },
    nodes: [
      hook,
      transform("a"),
      transform("b", { total: "{{ $sum( }}" }),
      transform("a"),
      { id: "c", type: "teleport" },
      { id: "reply", type: "httpResponse", parameters: { status: 99 } },
      { id: "9", type: "manual" },
      transform("d"),
    ],
    connections: [
      to("hook", "a"),
      to("a", "b"),
      to("b", "a"),
      to("nowhere", "c"),
      to("c", "reply"),
      to("reply", "hook"),
      to("hook", "d", "other"),
    ],
    extra: 1,
  });
  assert.equal(Object.keys(faults).sort(), [
    "/connections/2",
    "/connections/3/from",
    "/connections/5/to",
    "/connections/6/output",
    "/extra",
    "/nodes/2/parameters/output/total",
    "/nodes/3/id",
    "/nodes/4/type",
    "/nodes/5/parameters/status",
    "/nodes/6/id",
    "/settings/resultTtlSeconds",
  ]);
  assert.is(faults["/connections/2"], 'closes a cycle: "a" → "b" → "a"');
  assert.match(faults["/nodes/2/parameters/output/total"] ?? "", 'Cannot parse "$sum("');
});

test("compileDefinition() finds each of two cycles, and a node that leads to itself", () => {
  const faults = faultsOf({
    nodes: [hook, ...["a", "b", "c", "d", "e"].map((id) => transform(id))],
    connections: [
      to("hook", "a"),
      to("a", "b"),
      to("b", "a"),
      to("b", "c"),
      to("c", "d"),
      to("d", "c"),
      to("d", "e"),
      to("e", "e"),
    ],
  });
  assert.is(Object.keys(faults).length, 3, JSON.stringify(faults));
});

test("compileDefinition() refuses what nothing leads to, and a workflow without trigger", () => {
  assert.equal(Object.keys(faultsOf({ nodes: [transform("a")] })).sort(), ["/nodes", "/nodes/0"]);
  assert.equal(Object.keys(faultsOf({ nodes: [hook, transform("a")] })), ["/nodes/1"]);
});

test("compileDefinition() refuses a connection named twice", () => {
  const definition = { nodes: [hook, transform("a")], connections: [to("hook", "a"), to("hook", "a", "main")] };
  assert.equal(Object.keys(faultsOf(definition)), ["/connections/1"]);
});

test("compileDefinition() knows the output error of a node that branches only", () => {
  const nodes = (onError: string) => [hook, { ...transform("a"), onError }, transform("b")];
  const connections = [to("hook", "a"), to("a", "b", "error")];
  assert.equal(faultsOf({ nodes: nodes("branch"), connections }), {});
  assert.equal(Object.keys(faultsOf({ nodes: nodes("continue"), connections })), ["/connections/1/output"]);
});

test("compileDefinition() knows the outputs of a switch", () => {
  const route = { id: "route", type: "switch", parameters: { cases: [{ output: "yes", when: true }], else: "no" } };
  const definition = (output: string) => ({
    nodes: [hook, route, transform("a")],
    connections: [to("hook", "route"), to("route", "a", output)],
  });
  assert.equal(faultsOf(definition("yes")), {});
  assert.equal(faultsOf(definition("no")), {});
  assert.equal(Object.keys(faultsOf(definition("main"))), ["/connections/1/output"]);
});

test("compileDefinition() refuses a webhook path twice, by its shape", () => {
  const second = (path: string, method: string) => ({ id: "second", type: "webhook", parameters: { path, method } });
  const first = { ...hook, parameters: { path: "orders/:id" } };
  assert.equal(Object.keys(faultsOf({ nodes: [first, second("orders/:name", "POST")] })), ["/nodes/1/parameters/path"]);
  assert.equal(faultsOf({ nodes: [first, second("orders/:name", "GET")] }), {});
});

for (const path of ["", "a//b", "a/*", "a b", "a/..", ":a/:a", "/", ":__proto__", "a/:b?", "é", ":b{.+}"]) {
  test(`compileDefinition() refuses the webhook path "${path}"`, () => {
    const faults = faultsOf({ nodes: [{ ...hook, parameters: { path } }] });
    assert.equal(Object.keys(faults), ["/nodes/0/parameters/path"]);
  });
}

test("compileDefinition() refuses on a trigger what says how a node is run", () => {
  const guards = {
    lock: { name: "a" },
    rateLimit: { limit: 5, perSeconds: 60 },
    retry: { maxAttempts: 2 },
    timeoutSeconds: 5,
  };
  for (
    const trigger of [hook, { id: "run", type: "manual" }, {
      id: "tick",
      type: "schedule",
      parameters: { cron: "* * * * *" },
    }]
  ) {
    for (const [member, value] of Object.entries(guards)) {
      assert.equal(Object.keys(faultsOf({ nodes: [{ ...trigger, [member]: value }] })), [`/nodes/0/${member}`]);
    }
  }
  assert.match(faultsOf({ nodes: [{ ...hook, ...guards }] })["/nodes/0/rateLimit"] ?? "", "among its parameters");
});

test("compileDefinition() names the faults of a lock and a rate limit beside those of the parameters", () => {
  const guards = { lock: { name: "{{ ( }}" }, rateLimit: { limit: 5, perSeconds: 60, key: "{{ ( }}" } };
  const faulty = (type: string, parameters: object) =>
    Object.keys(faultsOf({
      nodes: [hook, { id: "a", type, parameters, ...guards }],
      connections: [to("hook", "a")],
    })).map((pointer) => pointer.slice("/nodes/1/".length)).sort();
  assert.equal(faulty("httpRequest", {}), ["lock/name", "parameters/url", "rateLimit/key"]);
  assert.equal(faulty("transform", {}), ["lock/name", "parameters/output", "rateLimit", "rateLimit/key"]);
  assert.equal(faulty("teleport", {}), ["lock/name", "rateLimit/key", "type"]);
});

test("compileDefinition() refuses unknown keys by name", () => {
  const faults = faultsOf({ nodes: [{ ...hook, parameter: {}, parameters: { path: "a", mehtod: "GET" } }] });
  assert.equal(Object.keys(faults), ["/nodes/0/parameter"]);
  assert.equal(Object.keys(faultsOf({ nodes: [{ ...hook, parameters: { path: "a", mehtod: "GET" } }] })), [
    "/nodes/0/parameters/mehtod",
  ]);
});

test("compileDefinition() refuses what is no definition at all", () => {
  for (const value of [null, 1, "x", [], {}, { nodes: {} }, { nodes: [] }, { nodes: [null] }, undefined]) {
    assert.ok(Object.keys(faultsOf(value)).length > 0, JSON.stringify(value));
  }
  assert.equal(Object.keys(faultsOf({ nodes: Array.from({ length: 201 }, () => hook) }))[0], "/nodes");
  let deep: unknown = 1;
  for (let depth = 0; depth < 100; depth++) deep = [deep];
  assert.equal(faultsOf({ nodes: [hook, transform("a", deep)] }), { "": "must not be nested deeper than 64" });
});

test("compileDefinition() keeps __proto__ data, and takes it for no id", () => {
  const output = JSON.parse('{"__proto__": {"x": 1}}') as unknown;
  const { definition } = compile({ nodes: [hook, transform("a", output)], connections: [to("hook", "a")] });
  assert.is(JSON.stringify(definition.nodes[1]?.parameters), '{"output":{"__proto__":{"x":1}}}');
  assert.equal(
    Object.keys(faultsOf({ nodes: [hook, transform("__proto__")], connections: [to("hook", "__proto__")] })),
    [
      "/nodes/1/id",
    ],
  );
});

test("webhookRoutes() gives one route a method, with the path's shape", () => {
  const parameters = { path: "/orders/:id/lines/:line", methods: ["get", "POST"] };
  assert.equal(webhookRoutes(compile({ nodes: [{ ...hook, parameters }] })), [
    { method: "GET", shape: "orders/:/lines/:", pointer: "/nodes/0/parameters/path" },
    { method: "POST", shape: "orders/:/lines/:", pointer: "/nodes/0/parameters/path" },
  ]);
});

test("compileDefinition() bounds what all nodes together ask to parse", () => {
  const chain = (nodes: { id: string }[]) => ({
    nodes: [hook, ...nodes],
    connections: nodes.map(({ id }, index) => to(index === 0 ? "hook" : nodes[index - 1]!.id, id)),
  });
  const texts = (count: number) => Array.from({ length: count }, (_, index) => `{{ a${index} }}`);
  assert.equal(faultsOf(chain([transform("a", "{{a}}".repeat(180_000)), transform("b", "{{ also }}")])), {
    "/nodes/1/parameters/output":
      "Cannot parse more: a definition may hold 1000 expressions, of 131072 characters together",
  });
  const each = (count: number) =>
    chain(Array.from({ length: 100 }, (_, index) => transform(`n${index}`, texts(count))));
  assert.equal(faultsOf(each(10)), {});
  assert.equal(Object.keys(faultsOf(each(11))), ["/nodes/91/parameters/output/10"]);
  // Each definition has bounds of its own.
  assert.equal(faultsOf(each(10)), {});
});

test.run();
