import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Fault } from "../../../src/lib/errors.ts";
import { json, post, withApp } from "../harness.ts";
import { openWholeApp } from "../whole_app.ts";
import { compiled } from "../workflows.ts";

function put(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method: "PUT", body: text, headers: { "content-type": "application/json", ...headers } };
}

const NAMED = { name: "a", nodes: [], connections: [] };

test("PUT /api/workflows/<id> answers 201 with Location, then 200, with the version and its ETag", () =>
  withApp({}, async ({ app }) => {
    const created = await app.request("/api/workflows/w1", put(NAMED));
    assert.is(created.status, 201);
    assert.is(created.headers.get("location"), "/api/workflows/w1");
    assert.is(created.headers.get("etag"), '"1"');
    const document = await json(created);
    assert.is(document.version, 1);
    assert.is(document.name, "a");

    const updated = await app.request("/api/workflows/w1", put({ ...document, name: "b" }));
    assert.is(updated.status, 200);
    assert.is(updated.headers.get("etag"), '"2"');
    assert.not(updated.headers.has("location"));
    assert.equal(await json(await app.request("/api/workflows/w1")), {
      ...NAMED,
      name: "b",
      id: "w1",
      version: 2,
      updatedAt: document.updatedAt,
    });
  }));

test("PUT /api/workflows/<id> answers 412 unless If-Match names the version", () =>
  withApp({}, async ({ app }) => {
    const status = async (guard: Record<string, string>) =>
      (await app.request("/api/workflows/w1", put(NAMED, guard))).status;
    assert.is(await status({ "if-match": "*" }), 412);
    assert.is(await status({ "if-match": '"1", "2"' }), 412);
    assert.is(await status({ "if-none-match": "*" }), 201);
    assert.is(await status({ "if-none-match": "*" }), 412);
    assert.is(await status({ "if-none-match": '"1"' }), 412);
    assert.is(await status({ "if-match": '"7"' }), 412);
    assert.is(await status({ "if-match": '"abc"' }), 412);
    assert.is(await status({ "if-match": '"7", "8"' }), 412);
    assert.is(await status({ "if-match": '"7", "1"' }), 200);
    assert.is(await status({ "if-match": 'W/"2"' }), 200);
    assert.is(await status({ "if-match": "*" }), 200);
    assert.is(await status({ "if-match": "4" }), 400);
    const refused = await app.request("/api/workflows/w1", put(NAMED, { "if-match": '"1"' }));
    assert.is((await json(refused)).code, "version_mismatch");
  }));

test("PUT /api/workflows/<id> refuses what is no JSON definition", () =>
  withApp({}, async ({ app }) => {
    const cases: [string, RequestInit, number, string][] = [
      ["w1", put("{"), 400, "malformed_json"],
      ["w1", put(""), 400, "malformed_json"],
      ["w1", put("[".repeat(5_000) + "]".repeat(5_000)), 400, "json_too_deep"],
      ["w1", put(NAMED, { "content-type": "text/plain" }), 415, "unsupported_media_type"],
      ["w1", put({ name: "x".repeat(100_000) }), 413, "body_too_large"],
      ["w1", put({ ...NAMED, id: "w2" }), 422, "invalid_workflow"],
      ["w%20x", put(NAMED), 400, "invalid_parameter"],
      [".w", put(NAMED), 400, "invalid_parameter"],
      ["x".repeat(129), put(NAMED), 400, "invalid_parameter"],
    ];
    for (const [id, init, status, code] of cases) {
      const response = await app.request(`/api/workflows/${id}`, init);
      assert.is(response.status, status, code);
      assert.is((await json(response)).code, code);
    }
  }));

test("PUT /api/workflows/<id> answers 422 to lone surrogates, and names each, whatever else is wrong", async () => {
  await using whole = await openWholeApp();
  const node = String.raw`{"id":"a","type":"transform","parameters":{"output":{"x\udc00":["\ud83d\ude00","\\ud800"]}}}`;
  const hook = String.raw`{"id":"hook","type":"webhook","parameters":{"path":"w1","method":"SEND"}}`;
  const body = String.raw`{"name":"\ud800","nodes":[${hook},${node}],"connections":[{"from":"hook","to":"a"}]}`;
  const refused = await whole.app.request("/api/workflows/w1", put(body));
  assert.is(refused.status, 422);
  const faults = (await json(refused)).errors.map(({ pointer, detail }: Fault) => [pointer, detail]).sort();
  assert.equal(faults, [
    ["/name", "The string has a lone surrogate"],
    ["/nodes/0/parameters/method", faults[1][1]],
    ["/nodes/1/parameters/output/x\udc00", "The name of the member has a lone surrogate"],
  ]);
  assert.equal(await whole.store.workflows.list(), []);
  const good = body.replace("\\udc00", "").replace('"\\ud800"', '""').replace("SEND", "POST");
  assert.is((await whole.app.request("/api/workflows/w1", put(good))).status, 201);
});

test("GET /api/workflows/<id> answers 304 to the version that the client has", () =>
  withApp({ workflows: [compiled("w1", { version: 3 })] }, async ({ app }) => {
    const get = (tag: string) => app.request("/api/workflows/w1", { headers: { "if-none-match": tag } });
    const unchanged = await get('"2", W/"3"');
    assert.is(unchanged.status, 304);
    assert.is(unchanged.headers.get("etag"), '"3"');
    assert.is((await get('"2"')).status, 200);
    assert.is((await app.request("/api/workflows/w1?version=3")).status, 200);
    assert.is((await app.request("/api/workflows/w1?version=2")).status, 404);
    assert.is((await app.request("/api/workflows/w1?version=two")).status, 400);
    assert.is((await app.request("/api/workflows/w1?version=2147483647")).status, 404);
    assert.is((await app.request("/api/workflows/w1?version=2147483648")).status, 400);
  }));

test("DELETE /api/workflows/<id> answers 204, then 404, and is guarded by If-Match", () =>
  withApp({ workflows: [compiled("w1")] }, async ({ app }) => {
    const remove = (headers = {}) => app.request("/api/workflows/w1", { method: "DELETE", headers });
    assert.is((await remove({ "if-match": '"2"' })).status, 412);
    assert.is((await remove()).status, 204);
    const again = await remove();
    assert.is(again.status, 404);
    assert.is((await json(again)).code, "workflow_not_found");
  }));

test("GET /api/workflows pages through all in the order of their ids", () =>
  withApp({ workflows: ["c", "a", "b"].map((id) => compiled(id)) }, async ({ app }) => {
    const first = await json(await app.request("/api/workflows?limit=2"));
    assert.equal(first.workflows.map(({ id }: { id: string }) => id), ["a", "b"]);
    const last = await json(await app.request(`/api/workflows?limit=2&cursor=${first.nextCursor}`));
    assert.equal(last.workflows, [
      { id: "c", name: "c", version: 1, active: true, updatedAt: 1_700_000_000_000, webhooks: [] },
    ]);
    assert.not("nextCursor" in last);
    for (const limit of ["0", "501", "x", "-1", "1.5"]) {
      assert.is((await app.request(`/api/workflows?limit=${limit}`)).status, 400, limit);
    }
  }));

test("POST /api/workflows/<id>/run answers 202 with Location, or 200 with the result when it may wait", () =>
  withApp({ workflows: [compiled("w1", { manualTrigger: "start" })] }, async ({ app, claims }) => {
    const accepted = await app.request("/api/workflows/w1/run", post({ input: { n: 1 } }));
    assert.is(accepted.status, 202);
    const { executionId } = await json(accepted);
    assert.is(accepted.headers.get("location"), `/api/executions/${executionId}`);

    const waited = await app.request("/api/workflows/w1/run", post({ input: { n: 2 } }, { prefer: "wait=5" }));
    assert.is(waited.status, 200);
    assert.is(waited.headers.get("preference-applied"), "wait=5");
    const result = await json(waited);
    assert.is(result.status, "completed");
    assert.equal(result.output, { n: 2 });

    const empty = await app.request("/api/workflows/w1/run", { method: "POST", headers: { prefer: "wait=5" } });
    assert.is((await json(empty)).output, null);
    assert.equal(claims.map(({ trigger }) => trigger), ["start", "start", "start"]);
  }));

test("POST /api/workflows/<id>/run answers 409 without a manual trigger, 404 without the workflow", () =>
  withApp({ workflows: [compiled("w1")] }, async ({ app }) => {
    const cases: [string, RequestInit, number, string][] = [
      ["w1", post({}), 409, "no_manual_trigger"],
      ["w2", post({}), 404, "workflow_not_found"],
      ["w1", post([1]), 400, "invalid_parameter"],
      ["w1", { method: "POST", body: "x", headers: { "content-type": "text/plain" } }, 415, "unsupported_media_type"],
    ];
    for (const [id, init, status, code] of cases) {
      const response = await app.request(`/api/workflows/${id}/run`, init);
      assert.is(response.status, status, code);
      assert.is((await json(response)).code, code);
    }
  }));

test.run();
