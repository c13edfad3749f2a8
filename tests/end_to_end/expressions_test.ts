// timeout: 300
/**
 * Expressions that are too much, in real processes under every runtime: who calls something else gets an answer.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { chain, type Instance, post, putWorkflow, type Runtime, RUNTIMES, startInstance } from "./instance.ts";

/** For each item of a long list it looks at each item: minutes, without a step at which it would let others run. */
const ENDLESS = "{{ $count(body[$count($$.body[n > 3]) > 0]) }}";
const LIST = Array.from({ length: 6000 }, (_, n) => ({ n }));
const transform = (output: unknown) => ({ id: "node", type: "transform", parameters: { output } });

async function statusOf(url: string, id: string): Promise<string> {
  return (await (await fetch(`${url}/api/executions/${id}`)).json()).status;
}

/** Starts an execution and does not wait for its end. */
async function begin(url: string, workflow: string): Promise<string> {
  const response = await post(`${url}/webhook/${workflow}`, LIST, { prefer: "respond-async" });
  assert.is(response.status, 202, await response.text());
  return response.headers.get("execution-id")!;
}

for (const runtime of Object.keys(RUNTIMES) as Runtime[]) {
  const test = suite(`Expressions under ${runtime}`);
  let server: Instance;

  test.before(async () => {
    // Far longer than this test: what is seen here was answered while the expression was at work.
    server = await startInstance({ EXPRESSION_TIMEOUT_MS: "60000", LOG_LEVEL: "warn" }, runtime);
    for (const [id, output] of Object.entries({ endless: ENDLESS, light: "{{ body.n + 1 }}", constant: "here" })) {
      await putWorkflow(server.url, id, chain(id, [transform(output)]));
    }
  });
  test.after(async () => {
    assert.is(await server.stop(), 0);
  });

  test("one that never ends holds up nobody, and ends when it is cancelled", async () => {
    const { url } = server;
    const ids = [await begin(url, "endless"), await begin(url, "endless"), await begin(url, "endless")];
    for (const id of ids) {
      await eventually(async () => await statusOf(url, id) === "running" || undefined, "the execution to run");
    }
    for (let n = 0; n < 5; n++) {
      assert.is(await (await post(`${url}/webhook/light`, { n })).json(), n + 1);
      assert.is(await (await post(`${url}/webhook/constant`, {})).json(), "here");
      const live = await fetch(`${url}/livez`);
      assert.is(live.status, 200);
      await live.body?.cancel();
    }
    for (const id of ids) {
      assert.is(await statusOf(url, id), "running");
      const response = await fetch(`${url}/api/executions/${id}/cancel`, { method: "POST" });
      assert.ok(response.ok, await response.text());
      await eventually(async () => await statusOf(url, id) === "cancelled" || undefined, "the execution to end");
    }
    // No thread is left with what nobody waits for: a list of this length is too much in line.
    await putWorkflow(url, "heavy", chain("heavy", [transform("{{ $sum([1..5000].($ + 1)) }}")]));
    assert.is(await (await post(`${url}/webhook/heavy`, {})).json(), 12_507_500);
  });

  test.run();
}

const test = suite("Templates");

test("a big body in a template many times ends its execution, and nothing else", async () => {
  const server = await startInstance({ NODE_OPTIONS: "--max-old-space-size=1024", LOG_LEVEL: "warn" });
  try {
    const many = Array.from({ length: 100 }, () => "{{ body }}");
    const outputs = {
      text: many.join(" "),
      list: many,
      map: Object.fromEntries(many.map((value, n) => [`k${n}`, value])),
    };
    for (const [id, output] of Object.entries(outputs)) {
      await putWorkflow(server.url, id, chain(id, [transform(output)]));
      for (
        const body of ["x".repeat(4_000_000), Array.from({ length: 4000 }, (_, n) => ({ n, text: "x".repeat(900) }))]
      ) {
        const response = await post(`${server.url}/webhook/${id}`, body);
        const problem = await response.json();
        assert.is(response.status, 500);
        assert.is(problem.error.code, "output_too_large");
      }
    }
    assert.is((await fetch(`${server.url}/livez`)).status, 200);
  } finally {
    assert.is(await server.stop(), 0);
  }
});

test("a definition with too much to parse is refused, and the instance goes on", async () => {
  const server = await startInstance({ LOG_LEVEL: "warn" });
  try {
    const response = await fetch(`${server.url}/api/workflows/braces`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(chain("braces", [transform("{{a}}".repeat(180_000))])),
    });
    const problem = await response.json();
    assert.is(response.status, 422, JSON.stringify(problem).slice(0, 500));
    assert.equal(problem.errors.map(({ pointer }: { pointer: string }) => pointer), ["/nodes/1/parameters/output"]);
    assert.is((await fetch(`${server.url}/livez`)).status, 200);
  } finally {
    assert.is(await server.stop(), 0);
  }
});

test.run();
