import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AuditEntry, AuditRecord } from "../../../src/audit/audit_log.ts";
import { AuditTrail } from "../../../src/audit/audit_trail.ts";
import { apiTokens } from "../../../src/config/api_tokens.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import { openWholeApp } from "../whole_app.ts";
import { type Harness, type HarnessOptions, json, post, withApp } from "../harness.ts";
import { compiled, webhookWorkflow } from "../workflows.ts";

const TOKENS = apiTokens.parse("ci:ci-secret:run|write,ops:ops-secret:admin,bare-secret");
const as = (name: string) => ({ authorization: `Bearer ${name}-secret` });
const ID = "01a1feaf-6496-7054-8242-6a4ee6db50a3";

/** An app whose changes are recorded at once. */
async function withAudit(
  options: HarnessOptions,
  test: (harness: Harness, records: Omit<AuditRecord, "at">[]) => Promise<void>,
): Promise<void> {
  const records: Omit<AuditRecord, "at">[] = [];
  await withApp(
    { ...options, deps: { audit: { record: (it) => void records.push(it) }, ...options.deps } },
    (harness) => test(harness, records),
  );
}

test("a change is recorded with the token's name, what it was about, and what came of it", () =>
  withAudit(
    { config: { apiTokens: TOKENS }, workflows: [compiled("tool", { manualTrigger: "go" })] },
    async ({ app }, records) => {
      const send = async (method: string, path: string, options: { body?: object; token?: string } = {}) => {
        const { body, token = "ci" } = options;
        const headers = { ...as(token), "content-type": "application/json", "x-request-id": `${method}-1` };
        const response = await app.request(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
        const answer = await response.text();
        return answer === "" ? {} : JSON.parse(answer);
      };
      await send("PUT", "/api/workflows/orders", { body: { name: "orders" } });
      const run = await send("POST", "/api/workflows/tool/run", { body: { input: 1 } });
      await send("POST", `/api/executions/${ID.toUpperCase()}/cancel`);
      await send("POST", "/api/sessions/a%2Fb%20c/events", { body: { type: "hello" } });
      await send("DELETE", "/api/sessions?id=s1&id=s2", { token: "bare" });
      await send("POST", "/api/locks/l", { body: { owner: "me" }, token: "ops" });
      assert.equal(records, [
        {
          token: "ci",
          method: "PUT",
          route: "/api/workflows/:id",
          what: { workflow: "orders", version: 1 },
          status: 201,
          requestId: "PUT-1",
        },
        {
          token: "ci",
          method: "POST",
          route: "/api/workflows/:id/run",
          what: { workflow: "tool", execution: run.executionId },
          status: 202,
          requestId: "POST-1",
        },
        {
          token: "ci",
          method: "POST",
          route: "/api/executions/:id/cancel",
          what: { execution: ID },
          status: 404,
          requestId: "POST-1",
        },
        {
          token: "ci",
          method: "POST",
          route: "/api/sessions/:id/events",
          what: { session: "a/b c" },
          status: 201,
          requestId: "POST-1",
        },
        {
          token: "unnamed",
          method: "DELETE",
          route: "/api/sessions",
          what: { sessions: ["s1", "s2"] },
          status: 200,
          requestId: "DELETE-1",
        },
        {
          token: "ops",
          method: "POST",
          route: "/api/locks/:name",
          what: { lock: "l" },
          status: 201,
          requestId: "POST-1",
        },
      ]);
    },
  ));

test("every call that may change something is recorded, and no other", () =>
  withAudit({}, async ({ app }, records) => {
    const routes = new Set(app.routes.map(({ method, path }) => `${method} ${path}`));
    let changing = 0;
    // They record what they changed, and found nothing to change.
    const silent = new Set(["/api/workflow-state/cleanup", "/api/work/take"]);
    for (const route of routes) {
      const [method = "", pattern = ""] = route.split(" ");
      if (method === "ALL" || !pattern.startsWith("/api/")) continue;
      const path = pattern.replaceAll(/:\w+/g, ID).replace("/*", "/x");
      records.length = 0;
      const wait = { body: '{"waitSeconds":0}', headers: { "content-type": "application/json" } };
      const response = await app.request(path, { method, ...(pattern === "/api/work/take" && wait) });
      await response.body?.cancel();
      const isSilent = method === "GET" || silent.has(pattern);
      if (!isSilent) changing++;
      assert.equal(records.map((it) => `${it.method} ${it.route}`), isSilent ? [] : [route], `${response.status}`);
    }
    assert.ok(changing >= 25, String(changing));
  }));

test("who is not let in, what is nowhere, and webhooks are not recorded", () =>
  withAudit({ config: { apiTokens: TOKENS }, workflows: [webhookWorkflow()] }, async ({ app }, records) => {
    const statuses: number[] = [];
    for (
      const [method, path, headers] of [
        ["DELETE", "/api/workflows/a", {}],
        ["DELETE", "/api/workflows/a", { authorization: "Bearer wrong-secret" }],
        ["DELETE", `/api/dead-letters/${ID}`, as("ci")],
        ["PATCH", "/api/workflows/a", as("ops")],
        ["POST", "/api/nowhere", as("ops")],
        ["OPTIONS", "/api/workflows/a", as("ops")],
        ["HEAD", "/api/workflows", as("ops")],
        ["POST", "/webhook/orders", as("ops")],
        ["POST", "/api/work/take", as("ops")],
      ] as const
    ) {
      const body = path === "/api/work/take" ? JSON.stringify({ waitSeconds: 0 }) : null;
      const response = await app.request(path, {
        method,
        headers: { ...headers, "content-type": "application/json" },
        body,
      });
      await response.body?.cancel();
      statuses.push(response.status);
    }
    assert.equal(statuses, [401, 401, 403, 405, 404, 204, 200, 200, 200]);
    assert.equal(records, []);
  }));

test("no body, header or query of a call is in its record, and ids have a bound", () =>
  withAudit({}, async ({ app }, records) => {
    const body = { data: { card: "canary-1" }, owner: "canary-2" };
    const headers = { "x-secret": "canary-3", authorization: "Bearer canary-4" };
    const long = "x".repeat(5000);
    for (const path of ["/api/sessions/s", "/api/workflows/w", "/api/locks/l", `/api/sessions/${long}`]) {
      for (const method of ["PUT", "POST", "PATCH", "DELETE"]) {
        const init = { ...post(body, headers), method };
        await (await app.request(`${path}?canary-5=canary-6`, init)).body?.cancel();
      }
    }
    assert.ok(records.length >= 9);
    assert.not.match(JSON.stringify(records), "canary");
    for (const record of records) assert.ok(JSON.stringify(record).length < 1000);
    const ids = Array.from({ length: 300 }, (_, n) => `id=session-${n}`).join("&");
    await (await app.request(`/api/sessions?${ids}`, { method: "DELETE" })).body?.cancel();
    const { what } = records.at(-1)!;
    assert.equal([(what["sessions"] as string[]).length, what["count"]], [100, 300]);
    // Escapes that are no UTF-8 stay as they were sent.
    await (await app.request("/api/locks/%ff", { method: "DELETE" })).body?.cancel();
    assert.is(records.at(-1)!.what["lock"], "%ff");
  }));

test("GET /api/audit gives pages, of all tokens or of one, to admins only", async () => {
  const store = createMemoryStore({ instance: "test" });
  const trail = new AuditTrail({ log: store.audit, now: () => 1_700_000_000_000 });
  await withApp({ store, config: { apiTokens: TOKENS }, deps: { audit: trail } }, async ({ app }) => {
    for (let n = 0; n < 5; n++) {
      const headers = { ...as(n % 2 === 0 ? "ci" : "bare"), "content-type": "application/json" };
      await (await app.request(`/api/designer/d${n}`, { method: "PUT", headers, body: "{}" })).body?.cancel();
    }
    await trail[Symbol.asyncDispose]();
    const get = async (query: string, token = "ops") => {
      const response = await app.request(`/api/audit${query}`, { headers: as(token) });
      return { status: response.status, ...await json(response) };
    };
    assert.is((await get("", "ci")).status, 403);
    const { status, entries, nextCursor } = await get("?limit=3");
    assert.equal([status, entries.length], [200, 3]);
    const [newest] = entries as AuditEntry[];
    assert.is(typeof newest!.id, "string");
    assert.equal({ ...newest, id: "", requestId: "" }, {
      id: "",
      at: 1_700_000_000_000,
      token: "ci",
      method: "PUT",
      route: "/api/designer/:id",
      what: { workflow: "d4" },
      status: 201,
      requestId: "",
    });
    const rest = await get(`?limit=3&cursor=${nextCursor}`);
    assert.equal([rest.entries.length, rest.nextCursor], [2, undefined]);
    const tokens = (await get("?token=unnamed")).entries.map((it: AuditEntry) => it.token);
    assert.equal(tokens, ["unnamed", "unnamed"]);
    for (const query of ["?cursor=x", "?limit=0", `?token=${"x".repeat(65)}`]) {
      const refused = await get(query);
      assert.equal([refused.status, refused.code], [400, "invalid_parameter"], query);
    }
  });
});

test("what a token with a name changed or started says so, and can be put back as it was got", async () => {
  await using whole = await openWholeApp({ config: { apiTokens: TOKENS } });
  const call = async (method: string, path: string, token: string, body?: object) => {
    const headers = { ...as(token), "content-type": "application/json", prefer: "wait=60" };
    const response = await whole.app.request(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    assert.ok(response.ok, await response.clone().text());
    return await json(response);
  };
  const definition = { name: "tool", nodes: [{ id: "go", type: "manual" }], connections: [] };
  const put = await call("PUT", "/api/workflows/tool", "ci", definition);
  assert.is(put.changedBy, "ci");
  const got = await call("GET", "/api/workflows/tool", "ops");
  assert.equal(got, put);
  const again = await call("PUT", "/api/workflows/tool", "ops", got);
  assert.equal([again.version, again.changedBy], [1, "ci"]);
  assert.is((await call("PUT", "/api/workflows/tool", "bare", { ...got, name: "other" })).changedBy, undefined);
  const { executionId } = await call("POST", "/api/workflows/tool/run", "ci", {});
  const fork = await call("POST", `/api/executions/${executionId}/replay`, "ops", {});
  const made = await call("POST", "/api/executions", "ci", { workflowId: "made" });
  const startedBy = async (id: string) => (await call("GET", `/api/executions/${id}`, "ops")).startedBy;
  assert.equal(
    [await startedBy(executionId), await startedBy(fork.executionId), await startedBy(made.executionId)],
    ["ci", "ops", "ci"],
  );
  assert.is(await startedBy((await call("POST", "/api/workflows/tool/run", "bare", {})).executionId), undefined);
});

test("a store that takes no records fails no call, and keeps none waiting", async () => {
  const log = { append: () => new Promise<void>(() => {}) };
  await using trail = new AuditTrail({ log, now: () => 0, mostWaiting: 1, endMs: 1 });
  await withApp({ deps: { audit: trail } }, async ({ app }) => {
    for (let n = 0; n < 3; n++) {
      const response = await app.request("/api/designer/d", { ...post({}), method: "PUT" });
      assert.ok(response.ok, await response.text());
    }
  });
});

test.run();
