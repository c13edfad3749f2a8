import { test } from "uvu";
import * as assert from "uvu/assert";
import { json, withApp } from "../harness.ts";
import { messagesOf, readMessages } from "../read_messages.ts";

function put(state: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: "PUT", body: JSON.stringify(state), headers: { "content-type": "application/json", ...headers } };
}

test("a state is saved and read as it was sent, for an hour, and a stale save is refused", async () => {
  await withApp({}, async ({ app }) => {
    assert.is((await json(await app.request("/api/designer/orders"))).code, "designer_state_not_found");
    const state = { nodes: [{ id: "hook" }], zoom: 1.5 };
    const first = await app.request("/api/designer/orders", put(state));
    assert.is(first.status, 201);
    const etag = first.headers.get("etag")!;
    const got = await app.request("/api/designer/orders");
    assert.equal(await json(got), state);
    assert.is(got.headers.get("etag"), etag);
    const left = Number(got.headers.get("session-expires-at")) - Date.now();
    assert.ok(left > 3_500_000 && left <= 3_600_000, String(left));
    assert.is((await app.request("/api/designer/orders", { headers: { "if-none-match": etag } })).status, 304);
    assert.is((await app.request("/api/designer/orders", put([], { "if-match": etag }))).status, 200);
    assert.is((await app.request("/api/designer/orders", put({}, { "if-match": etag }))).status, 412);
    assert.is((await app.request("/api/designer/orders", put({}, { "if-none-match": "*" }))).status, 412);
    const refused = await app.request("/api/designer/orders", { method: "DELETE", headers: { "if-match": etag } });
    assert.is(refused.status, 412);
    assert.equal(await json(await app.request("/api/designer/orders")), []);
    assert.is((await app.request("/api/designer/orders", { method: "DELETE" })).status, 204);
    assert.is((await app.request("/api/designer/orders", { method: "DELETE" })).status, 404);
    assert.is((await app.request("/api/designer/a%20b", put({}))).status, 400);
    assert.is((await app.request("/api/designer/orders", put({ x: "\ud800" }))).status, 422);
  });
});

test("those who edit see each other's saves", async () => {
  await withApp({}, async ({ app }) => {
    await app.request("/api/designer/orders", put({ n: 1 }));
    const readers = await Promise.all([1, 2].map(() => app.request("/api/designer/orders/events")));
    const streams = readers.map(messagesOf);
    const next = () => Promise.all(streams.map(async (messages) => (await messages.next()).value!));
    const first = await next();
    const second = await app.request("/api/designer/orders", put({ n: 2 }));
    const changed = await next();
    await app.request("/api/designer/orders", { method: "DELETE" });
    const last = await next();
    for (const n of [0, 1]) {
      const messages = [first[n]!, changed[n]!, last[n]!];
      assert.equal(messages.map(({ event, data }) => [event as string, data.state]), [
        ["saved", { n: 1 }],
        ["saved", { n: 2 }],
        ["deleted", undefined],
      ]);
      assert.is(messages[1]!.data.etag, second.headers.get("etag"));
    }
    // Who comes back hears of what was saved meanwhile.
    await Promise.all(streams.map((messages) => messages.return(undefined)));
    await app.request("/api/designer/orders", put({ n: 3 }));
    const again = await app.request("/api/designer/orders/events", { headers: { "last-event-id": changed[0]!.id! } });
    assert.equal((await readMessages(again, 1))[0]!.data.state, { n: 3 });
  });
});

test.run();
