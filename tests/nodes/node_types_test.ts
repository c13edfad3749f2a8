import { test } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError, type TerminalError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { isTruthy } from "../../src/nodes/switch.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import type { NodeContext } from "../../src/workflow/definition.ts";
import { contextOf } from "../expression/scope.ts";

const nodeTypes = createNodeTypes({ fetch });

function compile(type: string, parameters: object) {
  const { run } = compileDefinition({
    nodes: [{ id: "start", type: "manual" }, { id: "node", type, parameters }],
    connections: [{ from: "start", to: "node", output: "main" }],
  }, { nodeTypes });
  const node = run.get("node");
  if (node === undefined) throw new Error("the node does not run");
  return node;
}

async function run(type: string, parameters: object, input: JsonValue = {}, rest: Partial<NodeContext> = {}) {
  return JSON.parse(JSON.stringify(await compile(type, parameters)(contextOf(input, rest)))) as {
    output: JsonValue;
    outputs?: string[];
  };
}

async function failure(type: string, parameters: object, input: JsonValue = {}): Promise<string> {
  const error = await run(type, parameters, input).then(() => undefined, (reason: unknown) => reason);
  return (error as TerminalError).code;
}

function faults(type: string, parameters: object): string[] {
  try {
    compile(type, parameters);
  } catch (error) {
    if (error instanceof InvalidWorkflowError) {
      return error.faults.map(({ pointer }) => pointer.slice("/nodes/1/parameters".length));
    }
    throw error;
  }
  return [];
}

test("transform gives its output", async () => {
  assert.equal(await run("transform", { output: { n: "{{ n }}", c: [1] } }, { n: 5 }), { output: { n: 5, c: [1] } });
  assert.equal(await run("transform", { output: null }), { output: null });
  assert.equal(faults("transform", {}), ["/output"]);
});

test("httpResponse gives a response", async () => {
  const parameters = {
    status: "{{ code }}",
    headers: { "X-Total": "{{ total }}", "set-cookie": ["a=1", "b={{ total }}"], gone: "{{ missing }}" },
    body: { total: "{{ total }}" },
    contentType: "application/vnd.order+json",
  };
  assert.equal(await run("httpResponse", parameters, { code: 201, total: 7 }), {
    output: {
      status: 201,
      headers: { "x-total": "7", "set-cookie": ["a=1", "b=7"], "content-type": "application/vnd.order+json" },
      body: { total: 7 },
    },
  });
  assert.equal(await run("httpResponse", {}), { output: { status: 200, headers: {} } });
  assert.equal(await run("httpResponse", { bodyBase64: "aGk=" }), {
    output: { status: 200, headers: {}, bodyBase64: "aGk=" },
  });
});

for (const status of [99, 100, 199, 600, 1000, 200.5, "200", null]) {
  test(`httpResponse refuses the status ${JSON.stringify(status)} when it is stored and when it runs`, async () => {
    assert.equal(faults("httpResponse", { status }), ["/status"]);
    assert.is(await failure("httpResponse", { status: "{{ code }}" }, { code: status }), "invalid_status");
  });
}

for (const value of ["a\r\nset-cookie: x=1", "a\nb", "a\0", "\u2603", { a: 1 }]) {
  test(`httpResponse refuses the header value ${JSON.stringify(value)} when it is stored and when it runs`, async () => {
    assert.equal(faults("httpResponse", { headers: { "x-a": value } }), ["/headers/x-a"]);
    assert.is(await failure("httpResponse", { headers: { "x-a": "{{ value }}" } }, { value }), "invalid_header");
    if (typeof value !== "string") return;
    assert.is(await failure("httpResponse", { contentType: "{{ value }}" }, { value }), "invalid_header");
  });
}

for (const name of ["", "a b", "a\r\nb", "é", "Connection", "transfer-encoding", "content-length", "upgrade"]) {
  test(`httpResponse refuses the header name ${JSON.stringify(name)}`, () => {
    assert.equal(faults("httpResponse", { headers: { [name]: "x" } }), [`/headers/${name}`]);
  });
}

test("httpResponse refuses a header twice, a list in a header's list, a body twice, and what is no base64", async () => {
  assert.equal(faults("httpResponse", { headers: { "x-a": "1", "X-A": "2" } }), ["/headers/X-A"]);
  assert.equal(faults("httpResponse", { headers: { "x-a": ["1", ["2"]] } }), ["/headers/x-a/1"]);
  assert.equal(faults("httpResponse", { body: 1, bodyBase64: "" }), ["/bodyBase64"]);
  assert.equal(faults("httpResponse", { bodyBase64: "no!" }), ["/bodyBase64"]);
  assert.is(await failure("httpResponse", { bodyBase64: "{{ value }}" }, { value: "no!" }), "invalid_body");
  assert.is(await failure("httpResponse", { bodyBase64: "{{ value }}" }, { value: 5 }), "invalid_body");
});

test("switch passes its input on to the first case that holds", async () => {
  const parameters = {
    cases: [{ output: "big", when: "{{ n > 10 }}" }, { output: "even", when: "{{ n % 2 = 0 }}" }],
    else: "odd",
  };
  assert.equal(await run("switch", parameters, { n: 12 }), { output: { n: 12 }, outputs: ["big"] });
  assert.equal(await run("switch", parameters, { n: 2 }), { output: { n: 2 }, outputs: ["even"] });
  assert.equal(await run("switch", parameters, { n: 3 }), { output: { n: 3 }, outputs: ["odd"] });
  assert.equal(await run("switch", { cases: parameters.cases }, { n: 3 }), { output: { n: 3 }, outputs: [] });
});

test("isTruthy() says what JSONata's $boolean says", () => {
  for (const value of [true, 1, -1, "a", [0, 1], { a: null }, [[1]]]) assert.is(isTruthy(value), true);
  for (const value of [false, 0, "", null, [], [0, ""], {}, [[]]]) assert.is(isTruthy(value), false);
});

test("delay passes its input on after a while", async () => {
  const start = performance.now();
  assert.equal(await run("delay", { seconds: "{{ s }}" }, { s: 0.03 }), { output: { s: 0.03 } });
  assert.ok(performance.now() - start >= 25);
  assert.equal(faults("delay", { seconds: 604_801 }), ["/seconds"]);
  assert.is(await failure("delay", { seconds: "{{ s }}" }, { s: "soon" }), "invalid_delay");
  assert.is(await failure("delay", { seconds: "{{ s }}" }, { s: -1 }), "invalid_delay");
});

test("delay ends when its signal aborts", async () => {
  const controller = new AbortController();
  const reason = new Error("cancelled");
  const running = run("delay", { seconds: 2 }, {}, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 5);
  assert.is(await running.catch((error: unknown) => error), reason);
  assert.is(await run("delay", { seconds: 2 }, {}, { signal: controller.signal }).catch((e: unknown) => e), reason);
});

test("delay leaves a long wait to the store, and passes its input on when run again after it", async () => {
  const earliest = Date.now() + 600_000;
  const result = await run("delay", { seconds: 600 }, { s: 1 }) as unknown as { waitUntil: number };
  assert.ok(result.waitUntil >= earliest && result.waitUntil <= Date.now() + 600_000);
  const again = await run("delay", { seconds: 600 }, { s: 1 }, { waitedUntil: result.waitUntil });
  assert.equal(again, { output: { s: 1 } });
});

test("fail fails with its code and message", async () => {
  const parameters = { message: "No {{ item }} left", code: "out_of_{{ item }}" };
  const error = await run("fail", parameters, { item: "stock" }).catch((reason: unknown) => reason) as TerminalError;
  assert.is(error.name, "TerminalError");
  assert.is(error.code, "out_of_stock");
  assert.is(error.message, "No stock left");
  assert.is(await failure("fail", { message: "x" }), "failed");
});

test.run();
