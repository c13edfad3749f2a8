/**
 * `?type=` and `?status=` of one execution's events, in every form that they come in.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LogEvent } from "../../../src/execution/event.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { finish, type Harness, json, request, taken, withApp } from "../harness.ts";
import { readMessages } from "../read_messages.ts";

const STREAM = { headers: { accept: "text/event-stream" } };
const LINES = { headers: { accept: "application/x-ndjson" } };
const NODES = ["a", "b", "c", "d", "e"];

/** Runs a test with an execution that has ended after these nodes; `path` is that of its events. */
function withEnded(run: (harness: Harness & { path: string }) => Promise<void>): Promise<void> {
  return withApp({ work: () => "hold" }, async (harness) => {
    const { store, claims } = harness;
    const executionId = uuidv7();
    await request(store, executionId);
    await taken(claims);
    const claim = claims[0]!;
    const time = Date.now();
    const events = NODES.flatMap((node): LogEvent[] => [
      { type: "node.started", time, node, data: { attempt: 1 } },
      { type: "node.completed", time, node, data: { output: node } },
    ]);
    await store.work.append(claim, { sequence: claim.sequence, events });
    await finish(store, { ...claim, sequence: claim.sequence + events.length }, { status: "completed", output: 1 });
    // A page of the log is as small as it can be.
    const pages = store.log.pages.bind(store.log);
    store.log.pages = async function* (id, options) {
      for await (const page of pages(id, options)) for (const event of page) yield [event];
    };
    await run({ ...harness, path: `/api/executions/${executionId}/events` });
  });
}

test("pages of JSON have the events asked for, and only the last one says that it is the last", () =>
  withEnded(async ({ app, path }) => {
    for (let limit = 1; limit <= NODES.length + 1; limit++) {
      const pages: string[][] = [];
      for (let from: string | undefined = "0-0"; from !== undefined;) {
        const page = await json(await app.request(`${path}?type=node.completed&limit=${limit}&from=${from}`));
        pages.push(page.events.map(({ node }: { node: string }) => node));
        from = page.next;
      }
      assert.equal(pages.flat(), NODES);
      assert.is(pages.length, Math.ceil(NODES.length / limit), `${limit} a page`);
    }
    assert.equal(await json(await app.request(`${path}?type=node.failed&limit=1`)), { events: [] });
  }));

test("lines, and streams at a speed, have what JSON has", () =>
  withEnded(async ({ app, path }) => {
    for (const query of ["?type=node.started", "?status=pending,completed", "?status=running&type=node.completed"]) {
      const { events } = await json(await app.request(path + query));
      assert.ok(events.length > 1 && events.length < 2 + 2 * NODES.length, query);
      const lines = await (await app.request(path + query, LINES)).text();
      assert.equal(lines.trimEnd().split("\n").map((line) => JSON.parse(line)), events);
      const ids = events.map(({ id }: { id: string }) => id);
      for (const speed of ["", "&speed=0"]) {
        const messages = await readMessages(await app.request(path + query + speed, STREAM));
        assert.equal(messages.map(({ id }) => id), ids);
      }
    }
    assert.is(await (await app.request(`${path}?type=node.failed`, LINES)).text(), "");
  }));

test("a stream at a speed tells the end that was not asked for, after which there is nothing", () =>
  withEnded(async ({ app, path }) => {
    const text = await (await app.request(`${path}?type=node.started&speed=0`, STREAM)).text();
    const lastId = /\n\nid: (\S+)\n\n$/.exec(text)![1]!;
    const again = await app.request(`${path}?speed=0`, { headers: { ...STREAM.headers, "last-event-id": lastId } });
    assert.is(again.status, 204);
  }));

test("unknown types and statuses are refused, with a speed too", () =>
  withEnded(async ({ app, path }) => {
    for (const parameter of ["type", "status"]) {
      for (const speed of ["", "&speed=1"]) {
        const response = await app.request(`${path}?${parameter}=exploded${speed}`, STREAM);
        assert.is(response.status, 400);
        assert.is((await json(response)).parameter, parameter);
      }
    }
  }));

test.run();
