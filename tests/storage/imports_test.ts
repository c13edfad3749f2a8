/**
 * Executions that come as files, over every driver: kept as a whole or not at all, read like any other, run by nobody.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { rebuild } from "../../src/feed/rebuild.ts";
import { dayOf } from "../../src/feed/statistics.ts";
import type { Store } from "../../src/storage/store.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import { json, post } from "../http/harness.ts";
import { readMessages } from "../http/read_messages.ts";
import { chain, openWholeApp, type WholeApp } from "../http/whole_app.ts";
import { drivers } from "./drivers.ts";

const LARGE = "z".repeat(40_000);

const call = { id: "call", type: "httpRequest", parameters: { url: "http://x.test/" } };
const cut = {
  id: "cut",
  type: "transform",
  parameters: { output: { at: "{{ $millis() }}", text: "{{ body.text }}" } },
};
// It takes so long that there may be a document of it.
const wait = { id: "wait", type: "delay", parameters: { seconds: 0.3 } };
const stop = { id: "stop", type: "fail", parameters: { message: "Stop" } };

/** A bundle of an execution of these nodes that ran elsewhere, and what it came to. */
async function madeElsewhere(...nodes: Parameters<typeof chain>[1]) {
  const fetch = () => Promise.resolve(Response.json({ text: LARGE }));
  await using whole = await openWholeApp({ fetch, store: createMemoryStore({ instance: "elsewhere" }) });
  await whole.catalog.put("orders", chain("orders", nodes));
  const response = await whole.app.request("/webhook/orders", post({ n: 1 }));
  const id = response.headers.get("execution-id")!;
  const output = await json(response);
  const bundle = await (await whole.app.request(`/api/executions/${id}/export`)).text();
  return { id, output, bundle };
}

const { id, output, bundle } = await madeElsewhere(call, cut);
const failed = await madeElsewhere(call, wait, stop, cut);
const external = await ranElsewhere();
const lines = bundle.trimEnd().split("\n");

/** Bundles of executions that other programs ran elsewhere, with their state there: a created one, and a webhook's. */
async function ranElsewhere() {
  await using whole = await openWholeApp({ store: createMemoryStore({ instance: "elsewhere" }) });
  const request = (path: string, body: object) => whole.app.request(path, post(body as never));
  const report = async (executionId: string, work: object) => {
    const events = [
      { type: "started", totalSteps: 4 },
      { type: "progress", completedSteps: 1, currentStep: "parse", data: { rows: 10 } },
      { type: "progress", progress: 62.5 },
      { type: "completed", result: { rows: 40, text: LARGE } },
    ];
    assert.is((await request(`/api/executions/${executionId}/events`, { ...work, events })).status, 200);
  };
  const created = await json(await request("/api/executions", { workflowId: "rows", input: { file: LARGE } }));
  await report(created.executionId, {});
  const definition = chain("orders", []) as { nodes: { parameters: object }[] };
  Object.assign(definition.nodes[0]!.parameters, { executor: "external" });
  await whole.catalog.put("orders", definition);
  const called = request("/webhook/orders", { n: 1 });
  const { executions: [{ executionId, epoch }] } = await json(await request("/api/work/take", { waitSeconds: 60 }));
  await report(executionId, { epoch });
  assert.equal(await json(await called), { rows: 40, text: LARGE });
  return await Promise.all([created.executionId, executionId].map(async (id: string) => ({
    id,
    state: await json(await whole.app.request(`/api/executions/${id}`)),
    bundle: await (await whole.app.request(`/api/executions/${id}/export`)).text(),
  })));
}

async function send(whole: WholeApp, body: string) {
  const response = await whole.app.request("/api/executions/import", { method: "POST", body });
  return { status: response.status, body: await json(response) };
}

for (const driver of drivers()) {
  const test = suite(`Imports on ${driver.name}`);
  let store: Store;
  let whole: WholeApp;
  const calls: string[] = [];

  test.before.each(async () => {
    store = await driver.open("a");
    const fetch: typeof globalThis.fetch = (url) => {
      calls.push(String(url));
      return Promise.resolve(Response.json({}));
    };
    whole = await openWholeApp({ store, fetch });
  });
  test.after.each(async () => {
    await whole[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("a bundle is taken, listed, read and exported as it was, with its values, and only once", async () => {
    const taken = await send(whole, bundle);
    assert.is(taken.status, 201, JSON.stringify(taken.body));
    assert.is((await send(whole, bundle)).body.code, "execution_exists");
    const meta = (await store.log.meta(id))!;
    assert.equal([meta.imported, meta.workflowId, meta.status], [true, "orders", "completed"]);
    const { executions } = await store.projections.list({ workflowId: "orders", limit: 10 });
    assert.equal(executions.map(({ executionId, imported }) => [executionId, imported]), [[id, true]]);
    assert.is((await store.projections.list({ status: "completed", limit: 10 })).executions.length, 1);
    const again = await (await whole.app.request(`/api/executions/${id}/export`)).text();
    assert.equal(again.trimEnd().split("\n").slice(1), lines.slice(1));
    assert.equal((await json(await whole.app.request(`/api/executions/${id}/result`))).output, output);
    const messages = await readMessages(
      await whole.app.request(`/api/executions/${id}/events`, { headers: { accept: "text/event-stream" } }),
    );
    assert.is(messages.length, lines.length - 3);
  });

  test("what was imported can be forked, though nobody here knows its workflow, and cannot be changed", async () => {
    await send(whole, bundle);
    const forked = await whole.app.request(`/api/executions/${id}/replay`, post({}, { prefer: "wait=60" }));
    const body = await json(forked);
    assert.equal(body.output, output, JSON.stringify(body).slice(0, 300));
    assert.is(calls.length, 0);
    const state = await json(await whole.app.request(`/api/executions/${id}`));
    assert.equal(state.forks, [forked.headers.get("execution-id")]);
    assert.is(state.workflowId, "orders");
    const cancelled = await whole.app.request(`/api/executions/${id}/cancel`, { method: "POST" });
    assert.is(cancelled.status, 409);
    assert.is((await whole.app.request(`/api/executions/${id}/pause`, { method: "POST" })).status, 409);
    assert.equal(await store.workflows.list(), []);
    const current = await whole.app.request(`/api/executions/${id}/replay`, post({ workflow: "current" }));
    assert.is((await json(current)).code, "workflow_not_found");
  });

  test("how far an import came goes by the workflow that it brought, not by one of the same name here", async () => {
    await whole.catalog.put("orders", chain("orders", Array.from({ length: 9 }, (_, n) => ({ ...cut, id: `n${n}` }))));
    assert.is((await send(whole, failed.bundle)).status, 201);
    const documents = async () => {
      const { progress } = await json(await whole.app.request(`/api/executions/${failed.id}`));
      const { state } = await json(await whole.app.request(`/api/workflow-state/${failed.id}`));
      return [progress, state.progress, state.totalSteps];
    };
    assert.equal(await documents(), [80, 80, 5]);
    for await (const _ of rebuild({ ...store, workflows: whole.catalog }));
    assert.equal(await documents(), [80, 80, 5]);
  });

  test("what was imported is not counted, however often the counters are made anew", async () => {
    await send(whole, bundle);
    const { endedAt } = (await store.log.meta(id))!;
    for (let n = 0; n < 2; n++) {
      const [day] = await store.statistics.days("orders", [dayOf(endedAt!)]);
      assert.equal([day!.completed, day!.durationMs], [0, 0], `after ${n} rebuilds`);
      for await (const _ of rebuild({ ...store, workflows: whole.catalog }));
    }
    const [day] = await store.statistics.days("orders", [dayOf(endedAt!)]);
    assert.equal([day!.completed, day!.durationMs, Math.max(...day!.buckets)], [0, 0, 0]);
    const { executions } = await store.projections.list({ workflowId: "orders", limit: 10 });
    assert.equal(executions.map(({ executionId }) => executionId), [id]);
  });

  test("what other programs ran and reported is taken too, and reads as it did where it ran", async () => {
    for (const { id, state, bundle } of external) {
      const taken = await send(whole, bundle);
      assert.is(taken.status, 201, JSON.stringify(taken.body));
      assert.equal(await json(await whole.app.request(`/api/executions/${id}`)), state);
      assert.equal([state.status, state.progress], ["completed", 100]);
      assert.equal((await json(await whole.app.request(`/api/executions/${id}/result`))).output, {
        rows: 40,
        text: LARGE,
      });
      const again = await (await whole.app.request(`/api/executions/${id}/export`)).text();
      assert.equal(again.split("\n").slice(1), bundle.split("\n").slice(1));
      const reported = bundle.split("\n").find((line) => line.includes('"percent":62.5'))!;
      const then = await whole.app.request(`/api/executions/${id}?at=${JSON.parse(reported).id}`);
      assert.is((await json(then)).progress, 62);
      assert.is((await json(await whole.app.request(`/api/workflow-state/${id}`))).state.totalSteps, 4);
      assert.ok((await json(await whole.app.request(`/api/executions/${id}/diff/${id}`))).same);
    }
    const created = external[0]!;
    const replayed = await whole.app.request(`/api/executions/${created.id}/replay`, post({}));
    assert.is((await json(replayed)).code, "workflow_not_found");
    const older = created.bundle.replaceAll(created.id, uuidv7()).replace(
      '"trigger":"created"',
      '"trigger":"external"',
    );
    assert.is((await send(whole, older)).status, 201);
  });

  test("a bundle with a bad line is refused with the line's number, and nothing of it is kept", async () => {
    const event = lines.findIndex((line) => line.includes('"node.completed"')) + 1;
    const [requested, started] = ["execution.requested", "execution.started"].map((type) =>
      lines.findIndex((line) => line.includes(`"${type}"`)) + 1
    ) as [number, number];
    const withData = (more: object, at = requested) => {
      const line = JSON.parse(lines[at - 1]!);
      return lines.with(at - 1, JSON.stringify({ ...line, data: { ...line.data, ...more } })).join("\n");
    };
    const identity = { id, workflowId: "orders", version: 1 };
    const fork = { executionId: id, mode: "stub", workflow: "recorded", identity };
    const bad: [number, string][] = [
      [1, ["", ...lines.slice(1)].join("\n")],
      [1, ["{}", ...lines.slice(1)].join("\n")],
      [1, [lines[0]!.replace('"format":1', '"format":2'), ...lines.slice(1)].join("\n")],
      [1, [lines[0]!.replace('"version":1', '"version":2'), ...lines.slice(1)].join("\n")],
      [1, bundle.replaceAll('"version":1', '"version":2147483648')],
      [2, [lines[0], lines[1]!.replace('"httpRequest"', '"nope"'), ...lines.slice(2)].join("\n")],
      [event, [...lines.slice(0, event - 1), "{", ...lines.slice(event)].join("\n")],
      [requested, withData({ fork: null })],
      [requested, withData({ fork: { mode: "stub" } })],
      [requested, withData({ fork: { ...fork, identity: { ...fork.identity, id: "x" } } })],
      [started, withData({ tags: { a: { toString: 1 } } }, started)],
      [started, withData({ way: [] }, started)],
      [event, [...lines.slice(0, event - 1), '{"kind":"event"}', ...lines.slice(event)].join("\n")],
      [event + 1, [...lines.slice(0, event), lines[event - 1], ...lines.slice(event)].join("\n")],
      [lines.length, lines.slice(0, -1).join("\n")],
      [lines.length - 1, [...lines.slice(0, -2), lines.at(-1)].join("\n")],
      [lines.length + 1, `${bundle}{}\n`],
      [1, ""],
    ];
    for (const [line, text] of bad) {
      const { status, body } = await send(whole, text);
      assert.is(status, 422, `${line}: ${JSON.stringify(body)}`);
      assert.is(body.code, "invalid_bundle");
      assert.is(body.line, line, JSON.stringify(body));
    }
    const large = await send(whole, bundle + " ".repeat(1_000_000));
    assert.is(large.status, 413);
    assert.is(await store.log.meta(id), undefined);
    assert.equal((await store.projections.list({ limit: 10 })).executions, []);
    assert.is((await send(whole, bundle.replaceAll("\n", "\r\n"))).status, 201);
  });

  test.run();
}
