import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import { contextOf } from "../expression/scope.ts";

const directory = new URL("../../examples/", import.meta.url);

function compileExample(name: string, fetch: typeof globalThis.fetch = globalThis.fetch) {
  const text = readFileSync(new URL(`${name}.json`, directory), "utf8");
  return compileDefinition(JSON.parse(text), { nodeTypes: createNodeTypes({ fetch }) });
}

/** Runs a workflow in the simplest way there is: node by node, along the outputs that deliver. */
async function run(
  { graph, run }: ReturnType<typeof compileExample>,
  request: Partial<Record<"headers" | "body", JsonValue>>,
) {
  const trigger = { method: "POST", path: "", params: {}, headers: {}, query: {}, body: null, ...request };
  const nodes: Record<string, JsonValue> = {};
  const delivered = new Map<string, readonly string[]>();
  let response: JsonObject | undefined;
  for (const [id, node] of graph) {
    const live = node.incoming.filter(({ from, output }) => delivered.get(from)?.includes(output));
    if (node.isTrigger) {
      nodes[id] = trigger;
      delivered.set(id, ["main"]);
    } else if (live.length > 0) {
      const input = nodes[live[0]?.from as string] as JsonValue;
      const scope = { ...contextOf(input).scope, trigger, nodes };
      try {
        const result = await (run.get(id) as NonNullable<ReturnType<typeof run.get>>)(
          contextOf(input, { scope, nodeId: id }),
        );
        if ("waitUntil" in result) throw new Error(`${id} waits`);
        nodes[id] = result.output;
        delivered.set(id, result.outputs ?? ["main"]);
        if (node.definition.type === "httpResponse") response = result.output as JsonObject;
      } catch (error) {
        if (node.definition.onError !== "branch") throw error;
        nodes[id] = { error: (error as Error).message };
        delivered.set(id, ["error"]);
      }
    }
  }
  return JSON.parse(JSON.stringify(response)) as { status: number; headers: JsonObject; body: JsonObject };
}

test("every example compiles", () => {
  const names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  assert.ok(names.length >= 3);
  for (const name of names) compileExample(name.slice(0, -5));
});

test("order_total answers with the total", async () => {
  const body = { items: [{ price: 2.5, quantity: 2 }, { price: 1, quantity: 3 }] };
  assert.equal(await run(compileExample("order_total"), { body }), {
    status: 201,
    headers: { "x-total": "8" },
    body: { ok: true, total: 8 },
  });
});

test("github_summary answers every payload that GitHub sends", async () => {
  const require = createRequire(import.meta.url);
  const events = require("@octokit/webhooks-examples") as { name: string; examples: JsonObject[] }[];
  const example = compileExample("github_summary");
  let count = 0;
  for (const { name, examples } of events) {
    for (const body of examples) {
      count++;
      const { status, body: answer } = await run(example, { headers: { "x-github-event": name }, body });
      assert.is(status, 201);
      const summary = answer.summary as JsonObject;
      assert.is(summary.event, name);
      assert.is(summary.action, body.action ?? null);
      assert.is(summary.repository, (body.repository as JsonObject | undefined)?.full_name ?? null);
      assert.is(summary.sender, (body.sender as JsonObject | undefined)?.login ?? null);
      const counts = summary.counts as JsonObject;
      assert.is(counts.commits, (body.commits as JsonValue[] | undefined)?.length ?? 0);
      assert.is(counts.fields, Object.keys(body).length);
      assert.ok(String(answer.title).startsWith(name));
      if (name === "push") {
        const files = (body.commits as JsonObject[]).flatMap(({ added, modified, removed }) => [
          ...added as string[],
          ...modified as string[],
          ...removed as string[],
        ]);
        assert.is(counts.filesChanged, new Set(files).size);
      }
    }
  }
  assert.ok(count > 100, `${count} payloads`);
});

test("support_router calls out for urgent tickets only, and copes when nobody answers", async () => {
  const calls: string[] = [];
  const fetch = ((url: string) => {
    calls.push(url);
    return Promise.resolve(Response.json({ id: 7 }));
  }) as typeof globalThis.fetch;
  const example = compileExample("support_router", fetch);
  const ticket = (subject: string, rest: object = {}) => ({ body: { subject, from: "ann@example.com", ...rest } });
  assert.equal((await run(example, ticket("Invoice"))).body.queue, "normal");
  assert.equal((await run(example, { body: { subject: "x" } })).status, 400);
  assert.equal((await run(example, { body: null })).status, 400);
  assert.equal(calls, []);
  const urgent = await run(example, ticket("The shop is DOWN"));
  assert.equal([urgent.status, urgent.body.alert], [201, { id: 7 }]);
  assert.equal((await run(example, ticket("Hm", { priority: "urgent" }))).status, 201);
  assert.is(calls.length, 2);
  const failing = (() => Promise.reject(new TypeError("fetch failed"))) as typeof globalThis.fetch;
  assert.is((await run(compileExample("support_router", failing), ticket("Outage"))).status, 202);
});

test.run();
