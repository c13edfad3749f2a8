import { test } from "uvu";
import * as assert from "uvu/assert";
import { json, post, withApp } from "../harness.ts";
import { readMessages } from "../read_messages.ts";

const STREAM = { accept: "text/event-stream" };

test("what is posted to a box is read as JSON, page by page", async () => {
  await withApp({}, async ({ app }) => {
    const posted = await app.request("/api/sessions/alice/chains", post({ type: "step", n: 1 }));
    assert.is(posted.status, 201);
    const { id, time } = await json(posted);
    assert.is(id.split("-")[0], String(time));
    await app.request("/api/sessions/alice/chains", post("two"));
    const first = await json(await app.request("/api/sessions/alice/chains?limit=1"));
    assert.equal(first, { entries: [{ id, time, data: { type: "step", n: 1 } }], next: id });
    const second = await json(await app.request(`/api/sessions/alice/chains?from=${first.next}`));
    assert.equal(second.entries.map(({ data }: { data: unknown }) => data), ["two"]);
    const none = await json(await app.request(`/api/sessions/alice/chains?from=${second.next}`));
    assert.equal(none, { entries: [], next: second.next });
    assert.equal(await json(await app.request("/api/sessions/alice/input")), { entries: [] });
  });
});

test("Prefer: wait answers with the next entry, or with none when the time is over", async () => {
  await withApp({}, async ({ app }) => {
    const waiting = app.request("/api/sessions/alice/commands", { headers: { prefer: "wait=60" } });
    await app.request("/api/sessions/alice/commands", post({ go: true }));
    const response = await waiting;
    assert.is(response.headers.get("preference-applied"), "wait=60");
    const { entries, next } = await json(response);
    assert.equal(entries[0].data, { go: true });
    const over = await app.request(`/api/sessions/alice/commands?from=${next}`, { headers: { prefer: "wait=1" } });
    assert.equal(await json(over), { entries: [], next });
  });
});

test("whoever waits is answered when the instance closes", async () => {
  await withApp({}, async ({ app, store }) => {
    const waiting = app.request("/api/sessions/alice/commands", { headers: { prefer: "wait=300" } });
    await new Promise((resolve) => setTimeout(resolve));
    store.replies.close("closing");
    assert.equal(await json(await waiting), { entries: [] });
  });
});

test("an event stream has history, then what comes, and goes on after the last id", async () => {
  await withApp({}, async ({ app }) => {
    await app.request("/api/sessions/alice/events", post({ type: "hello", n: 1 }));
    const reading = readMessages(await app.request("/api/sessions/alice/events", { headers: STREAM }), 3);
    await app.request("/api/sessions/alice/events", post([2]));
    await app.request("/api/sessions/alice/events", post({ type: "a\nb", n: 3 }));
    const messages = await reading;
    assert.equal(messages.map(({ event }) => event as string), ["hello", undefined, "ab"]);
    assert.equal(messages.map(({ data }) => data.data), [{ type: "hello", n: 1 }, [2], { type: "a\nb", n: 3 }]);
    const headers = { ...STREAM, "last-event-id": messages[1]!.id! };
    const rest = await readMessages(await app.request("/api/sessions/alice/events", { headers }), 1);
    assert.equal(rest[0], messages[2]);
  });
});

test("recent events are those of all sessions, beside the live feed of executions", async () => {
  await withApp({}, async ({ app }) => {
    await app.request("/api/sessions/a%2Fb/events", post({ n: 1 }));
    await app.request("/api/sessions/bob/events", post({ n: 2 }));
    await app.request("/api/sessions/bob/commands", post({ n: 3 }));
    const { events } = await json(await app.request("/api/events/recent?limit=5"));
    assert.equal(events.map(({ session, data }: { session: string; data: unknown }) => [session, data]), [
      ["bob", { n: 2 }],
      ["a/b", { n: 1 }],
    ]);
    const feed = await app.request("/api/events", { headers: STREAM });
    assert.is(feed.headers.get("content-type"), "text/event-stream");
    await feed.body!.cancel();
  });
});

test("bad posts and parameters are problems", async () => {
  await withApp({}, async ({ app }) => {
    const code = async (path: string, init?: RequestInit) => (await json(await app.request(path, init))).code;
    const events = "/api/sessions/alice/events";
    const raw = (body: string) => ({ method: "POST", body, headers: { "content-type": "application/json" } });
    assert.is(await code(events, raw("")), "malformed_json");
    assert.is(await code(events, raw("1e400")), "invalid_session");
    assert.is(await code(events, raw('{"a":"\\udfff"}')), "invalid_session");
    assert.is(await code(events, { method: "POST", body: "x" }), "unsupported_media_type");
    assert.is(await code(`${events}?from=x`), "invalid_last_event_id");
    assert.is(await code(`${events}?limit=0`), "invalid_parameter");
    assert.is(await code(events, { headers: { accept: "text/html" } }), "not_acceptable");
    assert.is(await code("/api/sessions/alice/other"), "not_found");
    assert.is(await code(events, { method: "PUT" }), "method_not_allowed");
  });
});

test.run();
