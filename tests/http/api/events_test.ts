import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../../src/lib/errors.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { echo, finish, json, request, taken, withApp } from "../harness.ts";
import { messagesOf, readMessages } from "../read_messages.ts";

const STREAM = { headers: { accept: "text/event-stream" } };

/** Waits until an execution has ended. */
async function ended(store: Parameters<typeof request>[0], id: string): Promise<void> {
  while (!await store.log.result(id)) await new Promise((resolve) => setTimeout(resolve));
}

test("GET .../events answers as JSON in pages, and as NDJSON", () =>
  withApp({}, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    await ended(store, id);
    const path = `/api/executions/${id}/events`;
    const first = await json(await app.request(`${path}?limit=1`));
    assert.equal(first.events.map(({ type }: { type: string }) => type), ["execution.requested"]);
    assert.equal(first.events[0].data.input, { n: 1 });
    const rest = await json(await app.request(`${path}?from=${first.next}`));
    assert.equal(rest.events.map(({ type }: { type: string }) => type), ["execution.completed"]);
    assert.not("next" in rest);

    const lines = await app.request(path, { headers: { accept: "application/x-ndjson" } });
    assert.is(lines.headers.get("content-type"), "application/x-ndjson");
    const parsed = (await lines.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(parsed, [...first.events, ...rest.events]);
  }));

test("GET .../events streams history, then what happens, and ends after the terminal event", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const response = await app.request(`/api/executions/${id}/events`, STREAM);
    assert.is(response.headers.get("content-type"), "text/event-stream");
    const stream = messagesOf(response);
    const messages = [(await stream.next()).value!];
    await finish(store, claims[0]!, { status: "completed", output: 7 });
    for await (const message of stream) messages.push(message);
    assert.equal(messages.map(({ event }) => event), ["execution.requested", "execution.completed"]);
    assert.is(messages[0]!.data.executionId, id);
    assert.is(messages[0]!.data.type, "execution.requested");
    assert.equal(messages.map((message) => message.id), (await store.log.read(id)).map((event) => event.id));
  }));

test("GET .../events resumes behind Last-Event-ID, and answers 204 to who has had the end", () =>
  withApp({}, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    await ended(store, id);
    const [first, last] = await store.log.read(id);
    const get = (lastEventId: string) =>
      app.request(`/api/executions/${id}/events?from=0-0`, {
        headers: { ...STREAM.headers, "last-event-id": lastEventId },
      });
    assert.equal((await readMessages(await get(first!.id))).map((message) => message.id), [last!.id]);
    assert.is((await get(last!.id)).status, 204);
  }));

test("GET .../events says gap to who is ahead of the log, and goes on to the end", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const messages = readMessages(await app.request(`/api/executions/${id}/events?from=999999999999999`, STREAM));
    await finish(store, claims[0]!, { status: "completed", output: 7 });
    const [gap, end, ...more] = await messages;
    assert.equal([gap!.event, gap!.data], ["gap", { executionId: id, after: "999999999999999" }]);
    assert.equal([end!.event, more], ["execution.completed", []]);
  }));

test("GET .../events refuses a Last-Event-ID that is none, and types that it does not have", () =>
  withApp({}, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    const path = `/api/executions/${id}/events`;
    for (const wrong of ["x", "1-", "-1", "1-2-3", "$"]) {
      const headers = { ...STREAM.headers, "last-event-id": wrong };
      const response = await app.request(path, { headers });
      assert.is(response.status, 400, wrong);
      assert.is((await json(response)).code, "invalid_last_event_id");
    }
    assert.is((await app.request(`${path}?from=now`)).status, 400);
    const refused = await app.request(path, { headers: { accept: "text/html" } });
    assert.is(refused.status, 406);
    assert.is((await json(refused)).code, "not_acceptable");
  }));

test("event streams answer 503 with Retry-After when no more may follow", () =>
  withApp({ work: () => "hold" }, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    // deno-lint-ignore require-yield
    async function* refuse(): AsyncGenerator<never> {
      await Promise.resolve();
      throw new MillraceError("too_many_waiters", "1000 streams are followed on this instance already");
    }
    store.log.tail = refuse;
    store.projections.followFeed = refuse;
    const [event] = await store.log.read(id);
    for (const path of [`/api/executions/${id}/events?from=${event!.id}`, "/api/events"]) {
      const response = await app.request(path, STREAM);
      assert.is(response.status, 503, path);
      assert.is(response.headers.get("content-type"), "application/problem+json");
      assert.is(response.headers.get("retry-after"), "1");
      assert.is((await json(response)).code, "too_many_waiters");
    }
  }));

test("GET .../events lets go of the log when the client goes, whatever it has read", () =>
  withApp({ work: () => "hold" }, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    const [event] = await store.log.read(id);
    const seen: string[] = [];
    store.log.tail = async function* (_id, { signal }) {
      try {
        while (!signal.aborted) yield event!;
      } finally {
        seen.push("closed");
      }
    };
    const response = await app.request(`/api/executions/${id}/events`, STREAM);
    assert.is((await readMessages(response, 1)).length, 1);
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(seen, ["closed"]);
  }));

test("HEAD .../events opens no stream", () =>
  withApp({ work: () => "hold" }, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    let opened = 0;
    // deno-lint-ignore require-yield
    store.log.tail = async function* () {
      opened++;
    };
    const response = await app.request(`/api/executions/${id}/events`, { ...STREAM, method: "HEAD" });
    assert.is(response.status, 200);
    assert.is(response.headers.get("content-type"), "text/event-stream");
    await new Promise((resolve) => setTimeout(resolve));
    assert.is(opened, 0);
  }));

test("GET /api/events refuses to filter by what can be no workflow's id", () =>
  withApp({}, async ({ app }) => {
    const response = await app.request("/api/events?workflow=%00");
    assert.is(response.status, 400);
    assert.is((await json(response)).parameter, "workflow");
  }));

test("GET /api/events streams the events of all executions, by filter", () =>
  withApp({ work: echo }, async ({ app, store }) => {
    const all = readMessages(await app.request("/api/events"), 4);
    const ends = readMessages(await app.request("/api/events?type=execution.completed,execution.failed"), 2);
    const others = readMessages(await app.request("/api/events?workflow=other"), 1);
    const ids = [uuidv7(), uuidv7()];
    for (const id of ids) {
      await request(store, id);
      await ended(store, id);
    }
    const messages = await all;
    assert.equal(messages.map(({ data }) => data.executionId), [ids[0], ids[0], ids[1], ids[1]]);
    assert.is(messages[0]!.event, "execution.requested");
    assert.is(messages[0]!.data.workflowId, "hooked");
    assert.equal(
      (await ends).map(({ data }) => [data.executionId, data.type]),
      ids.map((id) => [id, "execution.completed"]),
    );

    const resumed = await app.request("/api/events", { headers: { "last-event-id": messages[0]!.id! } });
    assert.equal(
      (await readMessages(resumed, 3)).map(({ data }) => data.type),
      messages.slice(1).map(({ data }) => data.type),
    );

    const other = uuidv7();
    await store.log.request({
      executionId: other,
      workflowId: "other",
      version: 1,
      trigger: "hook",
      input: null,
      timeoutMs: 300_000,
      resultTtlSeconds: 60,
      historyTtlSeconds: 60,
    });
    assert.equal((await others).map(({ data }) => data.executionId), [other]);
  }));

test("GET /api/events gives all events of one append, or those that were asked for, and its id with the last", () =>
  withApp({}, async ({ app, store }) => {
    const executionId = uuidv7();
    await request(store, executionId);
    await ended(store, executionId);
    const [first, last] = (await store.log.read(executionId)).map(({ id }) => id) as [string, string];
    store.projections.followFeed = async function* () {
      const types = ["execution.requested", "execution.completed"];
      yield { id: "5-0", cursor: "5-0", partition: 0, executionId, workflowId: "w", version: 1, first, last, types };
    };
    const read = async (query: string) =>
      (await readMessages(await app.request(`/api/events${query}`))).map(({ id, event }) => [id, event]);
    assert.equal(await read(""), [[undefined, "execution.requested"], ["5-0", "execution.completed"]]);
    assert.equal(await read("?type=execution.requested"), [["5-0", "execution.requested"]]);
    assert.equal(await read("?type=node.failed"), []);
  }));

test("GET /api/events says gap where entries, or the events they point to, are gone", () =>
  withApp({}, async ({ app, store }) => {
    store.projections.followFeed = async function* () {
      yield { mark: "gap", after: "1-0", before: "4-0" } as const;
      const types = ["execution.requested"];
      const executionId = uuidv7();
      yield {
        id: "5-0",
        cursor: "5-0",
        partition: 0,
        executionId,
        workflowId: "w",
        version: 1,
        first: "4-0",
        last: "4-0",
        types,
      };
    };
    const messages = await readMessages(await app.request("/api/events"));
    assert.equal(messages.map(({ id, event }) => [id, event]), [[undefined, "gap"], ["5-0", "gap"]]);
    assert.equal(messages[0]!.data, { after: "1-0", before: "4-0" });
    assert.ok(messages[1]!.data.executionId);
  }));

test("GET /api/events refuses unknown types of events and of content, and wrong ids", () =>
  withApp({}, async ({ app }) => {
    assert.is((await app.request("/api/events?type=node.exploded")).status, 400);
    assert.is((await app.request("/api/events", { headers: { accept: "application/json" } })).status, 406);
    // The last has the right form, and is of two partitions: memory has one.
    for (const id of ["x", "fa_0", "fa_0_0_b", "fa_0_0"]) {
      const response = await app.request("/api/events", { headers: { "last-event-id": id } });
      assert.equal([response.status, (await response.json()).code], [400, "invalid_last_event_id"], id);
    }
  }));

test.run();
