import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiTokens } from "../../../src/config/api_tokens.ts";
import { json, withApp } from "../harness.ts";

const JSON_TYPE = { "content-type": "application/json" };
const MERGE = { "content-type": "application/merge-patch+json" };
const PATCH = { "content-type": "application/json-patch+json" };

function send(method: string, body: unknown, headers: Record<string, string> = JSON_TYPE): RequestInit {
  return { method, headers, body: JSON.stringify(body) };
}

test("a session is put, read, patched and deleted, with a tag that stands for its text", async () => {
  await withApp({}, async ({ app }) => {
    const put = await app.request("/api/sessions/alice", send("PUT", { data: { a: { b: [1] } }, ttlSeconds: 90 }));
    assert.is(put.status, 201);
    assert.is(put.headers.get("location"), "/api/sessions/alice");
    const got = await app.request("/api/sessions/alice");
    assert.is(got.headers.get("etag"), put.headers.get("etag"));
    assert.is(await got.text(), await put.text());
    assert.ok(Number(got.headers.get("session-expires-at")) > Date.now() + 80_000);
    const unchanged = await app.request("/api/sessions/alice", {
      headers: { "if-none-match": got.headers.get("etag")! },
    });
    assert.is(unchanged.status, 304);
    const merged = await app.request("/api/sessions/alice", send("PATCH", { data: { a: { c: 2 } } }, MERGE));
    assert.equal((await json(merged)).data, { a: { b: [1], c: 2 } });
    assert.is.not(merged.headers.get("etag"), got.headers.get("etag"));
    const patched = await app.request(
      "/api/sessions/alice",
      send("PATCH", [{ op: "add", path: "/data/a/b/-", value: 2 }], PATCH),
    );
    assert.equal((await json(patched)).data, { a: { b: [1, 2], c: 2 } });
    const stale = { ...JSON_TYPE, "if-match": got.headers.get("etag")! };
    assert.is((await app.request("/api/sessions/alice", send("PUT", {}, stale))).status, 412);
    const head = await app.request("/api/sessions/alice", { method: "HEAD" });
    assert.is(head.headers.get("etag"), patched.headers.get("etag"));
    assert.is((await app.request("/api/sessions/alice", { method: "DELETE" })).status, 204);
    assert.is((await app.request("/api/sessions/alice", { method: "DELETE" })).status, 404);
    assert.is((await json(await app.request("/api/sessions/alice"))).code, "session_not_found");
  });
});

test("what was got can be changed and put back", async () => {
  await withApp({}, async ({ app }) => {
    await app.request("/api/sessions/alice", send("PUT", { data: 1 }));
    const document = await json(await app.request("/api/sessions/alice"));
    const put = await app.request("/api/sessions/alice", send("PUT", { ...document, data: 2 }));
    assert.is(put.status, 200);
    const other = await app.request("/api/sessions/bob", send("PUT", document));
    assert.equal((await json(other)).errors, [{ pointer: "/id", detail: "Cannot be changed" }]);
  });
});

test("a part is found by the pointer in the path, whatever its name is", async () => {
  await withApp({}, async ({ app }) => {
    const data = JSON.parse('{"a/b":{"m~n":[null,{"":7}]},"__proto__":1,"é %":2,"-":3}');
    await app.request("/api/sessions/alice", send("PUT", { data }));
    const part = async (path: string) => {
      const response = await app.request(`/api/sessions/alice/data${path}`);
      return response.status === 200 ? await response.text() : (await json(response)).code;
    };
    assert.is(await part(""), JSON.stringify(data));
    assert.is(await part("/a~1b/m~0n/1/"), "7");
    assert.is(await part("/a~1b%2Fm~0n/0"), "null");
    assert.is(await part("/__proto__"), "1");
    assert.is(await part("/%C3%A9%20%25"), "2");
    assert.is(await part("/-"), "3");
    assert.is(await part("/"), "session_part_not_found");
    assert.is(await part("/a"), "session_part_not_found");
    assert.is(await part("/a~1b/m~0n/-"), "session_part_not_found");
    assert.is(await part("/toString"), "session_part_not_found");
    assert.is(await part("/a~b"), "invalid_parameter");
    assert.is(await part("/%ff"), "malformed_request");
    assert.is((await json(await app.request("/api/sessions/bob/data/x"))).code, "session_not_found");
  });
});

test("ids with any characters are told apart", async () => {
  await withApp({}, async ({ app }) => {
    const ids = ["a/b", "a%2Fb", "a", "é😀", "a b", "a:events", "{x}", "*", "a?b#c", '"'];
    for (const id of ids) await app.request(`/api/sessions/${encodeURIComponent(id)}`, send("PUT", { data: id }));
    for (const id of ids) {
      assert.is((await json(await app.request(`/api/sessions/${encodeURIComponent(id)}`))).data, id);
    }
    const { sessions } = await json(await app.request("/api/sessions"));
    assert.equal(sessions.map(({ id }: { id: string }) => id), ids);
    for (const id of ["%00", "%0a", "%7f", "%c2%85", "x".repeat(257), "%ed%a0%80"]) {
      assert.is((await app.request(`/api/sessions/${id}`)).status, 400, id);
    }
  });
});

test("bad bodies are problems with a code each, and change nothing", async () => {
  await withApp({}, async ({ app }) => {
    await app.request("/api/sessions/alice", send("PUT", { data: { a: 1 } }));
    const raw = (method: string, body: string, headers: Record<string, string>) => ({ method, body, headers });
    const tries: [RequestInit, number, string][] = [
      [send("PATCH", {}), 415, "unsupported_media_type"],
      [raw("PATCH", "", MERGE), 400, "malformed_json"],
      [raw("PATCH", "{", MERGE), 400, "malformed_json"],
      [raw("PUT", "", JSON_TYPE), 400, "malformed_json"],
      [raw("PUT", '{"data":1e400}', JSON_TYPE), 422, "invalid_session"],
      [raw("PUT", '{"data":"\\ud800"}', JSON_TYPE), 422, "invalid_session"],
      [raw("PUT", `{"data":${"[".repeat(150)}${"]".repeat(150)}}`, JSON_TYPE), 422, "invalid_session"],
      [send("PUT", { data: "x".repeat(20_000) }), 413, "document_too_large"],
      [send("PATCH", { op: "add" }, PATCH), 400, "malformed_patch"],
      [send("PATCH", [{ op: "remove", path: "/data/x" }], PATCH), 409, "patch_conflict"],
      [send("PATCH", [{ op: "test", path: "/data/a", value: 2 }], PATCH), 409, "patch_test_failed"],
      [send("PATCH", { createdAt: null }, MERGE), 422, "invalid_session"],
      [send("PATCH", {}, { ...MERGE, "if-match": "x" }), 400, "invalid_parameter"],
    ];
    for (const [init, status, code] of tries) {
      const response = await app.request("/api/sessions/alice", init);
      const problem = await json(response);
      assert.equal([response.status, problem.code], [status, code], JSON.stringify(init));
    }
    const refused = await app.request("/api/sessions/alice", send("PATCH", {}));
    assert.is(refused.headers.get("accept-patch"), "application/merge-patch+json, application/json-patch+json");
    assert.equal((await json(await app.request("/api/sessions/alice"))).data, { a: 1 });
    const allowed = await app.request("/api/sessions/alice", { method: "POST" });
    assert.is(allowed.headers.get("allow"), "GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
  });
});

test("several sessions are deleted by one call, with their mailboxes, and never all by mistake", async () => {
  await withApp({}, async ({ app, store }) => {
    for (const id of ["a", "b", "c"]) await app.request(`/api/sessions/${id}`, send("PUT", {}));
    await store.mailboxes.post({ box: "events", id: "a" }, "1");
    const deleted = await app.request("/api/sessions?id=a&id=b&id=nobody&id=a", { method: "DELETE" });
    assert.equal(await json(deleted), { deleted: 2 });
    assert.equal(await store.mailboxes.read({ box: "events", id: "a" }, { limit: 1 }), []);
    assert.is((await app.request("/api/sessions", { method: "DELETE" })).status, 400);
    assert.is((await app.request("/api/sessions?id=", { method: "DELETE" })).status, 400);
    assert.is((await json(await app.request("/api/sessions"))).sessions.length, 1);
  });
});

test("parts that are encrypted are plain to callers", async () => {
  const encryptionKeys = [{ id: "k1", bytes: new Uint8Array(32) }];
  await withApp({ config: { encryptionKeys, sessionEncrypt: ["/card"] } }, async ({ app, store }) => {
    await app.request("/api/sessions/alice", send("PUT", { data: { card: "4242" } }));
    const merged = await app.request("/api/sessions/alice", send("PATCH", { data: { card: "4343" } }, MERGE));
    assert.equal((await json(merged)).data, { card: "4343" });
    assert.is(await (await app.request("/api/sessions/alice/data/card")).text(), '"4343"');
    assert.not.match(JSON.stringify(await store.sessions.read("alice")), /4[23]4[23]"/);
  });
});

test("without the token nothing is told", async () => {
  await withApp({ config: { apiTokens: apiTokens.parse("long-enough-token") } }, async ({ app }) => {
    for (
      const path of ["sessions", "sessions/a", "sessions/a/data/x", "sessions/a/events", "designer/w", "events/recent"]
    ) {
      assert.is((await app.request(`/api/${path}`)).status, 401, path);
    }
  });
});

test.run();
