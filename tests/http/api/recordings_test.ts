/**
 * Time travel, replay in its own rhythm, comparison and export, over the whole app.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import type { NodeDiff } from "../../../src/replay/diff.ts";
import { chain, openWholeApp, type WholeApp } from "../whole_app.ts";
import { json, post } from "../harness.ts";
import { readMessages } from "../read_messages.ts";

interface ReadEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
}

const LARGE = "x".repeat(40_000);

/** Puts a workflow whose `sum` adds 1 and whose `big` is past 32 KB, and runs it with each `n`; their ids. */
async function ran(whole: WholeApp, ns: number[]): Promise<string[]> {
  await whole.catalog.put(
    "orders",
    chain("orders", [
      { id: "sum", type: "transform", parameters: { output: { total: "{{ body.n + 1 }}" } } },
      { id: "big", type: "transform", parameters: { output: { total: "{{ total }}", text: LARGE } } },
      { id: "reply", type: "httpResponse", parameters: { body: "{{ total }}" } },
    ]),
  );
  return await Promise.all(ns.map(async (n) => {
    const response = await whole.app.request("/webhook/orders", post({ n }));
    assert.is(response.status, 200);
    return response.headers.get("execution-id")!;
  }));
}

const get = async (whole: WholeApp, path: string) => {
  const response = await whole.app.request(path);
  return { status: response.status, body: await json(response) };
};

test("GET ?at= gives the state as it was after an entry, its number or a time", async () => {
  await using whole = await openWholeApp();
  const [id] = await ran(whole, [1]);
  const { body: { events } } = await get(whole, `/api/executions/${id}/events`);
  for (const [index, event] of events.entries()) {
    for (const at of [event.id, String(index)]) {
      const { status, body } = await get(whole, `/api/executions/${id}?at=${at}`);
      assert.is(status, 200);
      assert.equal(body.at, { id: event.id, type: event.type, time: event.time, index });
      const nodes = events.slice(0, index + 1).filter((it: { type: string }) => it.type === "node.completed");
      const completed = Object.entries(body.nodes).filter(([, node]) => (node as { endedAt?: number }).endedAt);
      assert.is(completed.length, nodes.length + 1);
    }
  }
  const last = await get(whole, `/api/executions/${id}?at=${new Date(events.at(-1).time).toISOString()}`);
  assert.is(last.body.status, "completed");
  const { at: _at, ...state } = last.body;
  assert.equal(state, (await get(whole, `/api/executions/${id}`)).body);
});

test("GET ?at= refuses what names no moment, and one before the execution", async () => {
  await using whole = await openWholeApp();
  const [id] = await ran(whole, [1]);
  for (const at of ["", "soon", "1-2-3", "2001-01-01T00:00:00Z", "0-1"]) {
    const { status, body } = await get(whole, `/api/executions/${id}?at=${at}`);
    assert.is(status, 400, at);
    assert.is(body.code, "invalid_parameter");
    assert.is(body.parameter, "at");
  }
  assert.is((await get(whole, `/api/executions/${uuidv7()}?at=0`)).body.code, "execution_not_found");
});

test("GET …/events?speed= replays the history to its end, resumes, and then answers 204", async () => {
  await using whole = await openWholeApp();
  const [id] = await ran(whole, [1]);
  const { body: { events } } = await get(whole, `/api/executions/${id}/events`);
  const path = `/api/executions/${id}/events`;
  for (const speed of ["0", "2.5", "1000000"]) {
    const response = await whole.app.request(`${path}?speed=${speed}`);
    assert.is(response.headers.get("content-type"), "text/event-stream");
    const messages = await readMessages(response);
    assert.equal(messages.map(({ id, event }) => [id, event]), events.map((it: ReadEvent) => [it.id, it.type]));
    assert.equal(messages.map(({ data }) => data.data), events.map((it: ReadEvent) => it.data));
  }
  const headers = { "last-event-id": events[2].id };
  const rest = await readMessages(await whole.app.request(`${path}?speed=0`, { headers }));
  assert.is(rest.length, events.length - 3);
  const over = await whole.app.request(`${path}?speed=0`, { headers: { "last-event-id": events.at(-1).id } });
  assert.is(over.status, 204);
});

test("GET …/events?speed= refuses other speeds and other types", async () => {
  await using whole = await openWholeApp();
  const [id] = await ran(whole, [1]);
  for (const speed of ["", "-1", "1e3", "x", "1000001", "NaN", ".5"]) {
    const { status, body } = await get(whole, `/api/executions/${id}/events?speed=${speed}`);
    assert.is(status, 400, speed);
    assert.is(body.parameter, "speed");
  }
  const headers = { accept: "application/json" };
  assert.is((await whole.app.request(`/api/executions/${id}/events?speed=1`, { headers })).status, 406);
  assert.is((await get(whole, `/api/executions/${uuidv7()}/events?speed=1`)).status, 404);
});

test("GET …/diff/… compares two runs with their large values", async () => {
  await using whole = await openWholeApp();
  const [a, b, c] = await ran(whole, [1, 2, 1]);
  const { status, body } = await get(whole, `/api/executions/${a}/diff/${b}`);
  assert.is(status, 200);
  assert.not(body.same);
  assert.equal(body.nodes.map((it: NodeDiff) => [it.node, it.changed]), [
    ["hook", ["output"]],
    ["sum", ["input", "output"]],
    ["big", ["input", "output"]],
    ["reply", ["input", "output"]],
  ]);
  assert.equal(body.nodes[2].output.b, { total: 3, text: LARGE });
  assert.ok((await get(whole, `/api/executions/${a}/diff/${c}`)).body.same);
  assert.ok((await get(whole, `/api/executions/${a}/diff/${a}`)).body.same);
  assert.is((await get(whole, `/api/executions/${a}/diff/${uuidv7()}`)).body.code, "execution_not_found");
  assert.is((await get(whole, `/api/executions/${a}/diff/x`)).body.code, "invalid_execution_id");
});

test("GET …/export gives a bundle: what ran, every event with its values, and an end", async () => {
  await using whole = await openWholeApp();
  const [id] = await ran(whole, [1]);
  const { body: { events } } = await get(whole, `/api/executions/${id}/events`);
  const response = await whole.app.request(`/api/executions/${id}/export`);
  assert.is(response.status, 200);
  assert.is(response.headers.get("content-disposition"), `attachment; filename="execution-${id}.jsonl"`);
  const text = await response.text();
  assert.ok(text.endsWith("\n"));
  const [head, workflow, ...rest] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.is(head.kind, "millrace.bundle");
  assert.equal([head.format, head.executionId, head.workflowId, head.version], [1, id, "orders", 1]);
  assert.is(workflow.kind, "workflow");
  assert.is(workflow.definition.nodes.length, 4);
  assert.equal(rest.at(-1), { kind: "end", events: events.length });
  assert.equal(rest.slice(0, -1), events.map((event: object) => ({ kind: "event", ...event })));
  assert.is(rest.find((it) => it.node === "big" && it.type === "node.completed").data.output.text, LARGE);
  assert.is((await whole.app.request(`/api/executions/${uuidv7()}/export`)).status, 404);
  assert.is((await whole.app.request(`/api/executions/${id}/export`, { method: "HEAD" })).status, 200);
});

test.run();
