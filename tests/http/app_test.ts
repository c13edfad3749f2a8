import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiTokens } from "../../src/config/api_tokens.ts";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { json, post, request, withApp } from "./harness.ts";

test("the API answers a missing or wrong token with 401 and a challenge", () =>
  withApp({ config: { apiTokens: apiTokens.parse("first-token,second-token") } }, async ({ app }) => {
    const get = (authorization?: string) =>
      app.request("/api/workflows", { headers: authorization === undefined ? {} : { authorization } });
    for (
      const wrong of [undefined, "", "Bearer", "Bearer ", "Bearer first", "Bearer first-token2", "Basic first-token"]
    ) {
      const response = await get(wrong);
      assert.is(response.status, 401, wrong);
      assert.match(response.headers.get("www-authenticate")!, /^Bearer/);
      assert.is((await json(response)).code, "unauthorized");
    }
    for (const right of ["Bearer first-token", "bearer second-token"]) assert.is((await get(right)).status, 200, right);
    for (const path of ["/api/executions", "/api/events", "/api/dead-letters", "/api/nothing"]) {
      assert.is((await app.request(path)).status, 401, path);
    }
    assert.is((await app.request("/health")).status, 200);
    assert.is((await app.request("/webhook/orders", post({}))).status, 200);
  }));

test("unknown paths answer 404 as a problem", () =>
  withApp({}, async ({ app }) => {
    for (const path of ["/", "/api", "/api/nothing", "/health/x", "/%zz"]) {
      const response = await app.request(path);
      assert.is(response.status, 404, path);
      assert.is(response.headers.get("content-type"), "application/problem+json");
      const problem = await json(response);
      assert.is(problem.code, "not_found");
      assert.is(problem.status, 404);
      assert.is(problem.type, "urn:millrace:problem:not_found");
      assert.is(problem.title, "Not found");
      assert.is(problem.instance, path);
    }
  }));

test("every resource answers other methods with 405 and Allow, and OPTIONS with 204 and Allow", () =>
  withApp({}, async ({ app }) => {
    const resources: [string, string][] = [
      ["/api/workflows", "GET, HEAD, OPTIONS"],
      ["/api/workflows/a", "GET, PUT, DELETE, HEAD, OPTIONS"],
      ["/api/workflows/a/run", "POST, OPTIONS"],
      ["/api/executions", "GET, POST, HEAD, OPTIONS"],
      ["/api/executions/a", "GET, HEAD, OPTIONS"],
      ["/api/executions/a/result", "GET, HEAD, OPTIONS"],
      ["/api/executions/a/events", "GET, POST, HEAD, OPTIONS"],
      ["/api/executions/a/cancel", "POST, OPTIONS"],
      ["/api/executions/a/pause", "POST, OPTIONS"],
      ["/api/executions/a/resume", "POST, OPTIONS"],
      ["/api/dead-letters", "GET, HEAD, OPTIONS"],
      ["/api/dead-letters/a", "GET, DELETE, HEAD, OPTIONS"],
      ["/api/dead-letters/a/requeue", "POST, OPTIONS"],
      ["/api/events", "GET, HEAD, OPTIONS"],
      ["/health", "GET, HEAD, OPTIONS"],
      ["/livez", "GET, HEAD, OPTIONS"],
      ["/readyz", "GET, HEAD, OPTIONS"],
    ];
    for (const [path, allow] of resources) {
      const wrong = await app.request(path, { method: "PATCH" });
      assert.is(wrong.status, 405, path);
      assert.is(wrong.headers.get("allow"), allow);
      assert.is((await json(wrong)).code, "method_not_allowed");
      const options = await app.request(path, { method: "OPTIONS" });
      assert.is(options.status, 204, path);
      assert.is(options.headers.get("allow"), allow);
    }
  }));

test("responses carry security headers and the client's request id, or a new one in its place", () =>
  withApp({}, async ({ app, lines }) => {
    const response = await app.request("/livez", { headers: { "x-request-id": "abc-1" } });
    assert.is(response.headers.get("x-request-id"), "abc-1");
    assert.is(response.headers.get("x-content-type-options"), "nosniff");
    assert.is(response.headers.get("cache-control"), "no-store");
    assert.equal({ ...lines[0]!.fields, ms: 0 }, {
      method: "GET",
      path: "/livez",
      status: 200,
      ms: 0,
      requestId: "abc-1",
    });
    const replaced = await app.request("/livez", { headers: { "x-request-id": "<script>" } });
    assert.match(replaced.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
    assert.is((await app.request("/nothing")).headers.get("x-content-type-options"), "nosniff");
  }));

test("what a handler throws is hidden and logged, be it an Error or not", () =>
  withApp({}, async ({ app, store, lines }) => {
    for (const thrown of [new Error("secret"), "secret", undefined]) {
      store.projections.list = () => Promise.reject(thrown);
      const response = await app.request("/api/executions");
      assert.is(response.status, 500);
      const text = await response.text();
      assert.not.match(text, /secret/);
      assert.is(JSON.parse(text).code, "internal_error");
    }
    assert.is(lines.filter(({ level }) => level === "error").length, 3);
  }));

test("CORS preflights of the API are answered before the token is asked for", () =>
  withApp(
    { config: { apiTokens: apiTokens.parse("long-enough"), corsOrigins: ["https://app.example"] } },
    async ({ app }) => {
      const headers = { origin: "https://app.example", "access-control-request-method": "PUT" };
      const response = await app.request("/api/workflows/a", { method: "OPTIONS", headers });
      assert.is(response.status, 204);
      assert.is(response.headers.get("access-control-allow-origin"), "https://app.example");
      assert.is(response.headers.get("access-control-allow-methods"), "PUT");
      const refused = await app.request("/api/workflows/a", { headers: { origin: "https://app.example" } });
      assert.is(refused.status, 401);
      assert.is(refused.headers.get("access-control-allow-origin"), "https://app.example");
    },
  ));

test("with CORS origins a response varies by Origin besides what it varies by itself", () =>
  withApp({ config: { corsOrigins: ["https://app.example"] } }, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    for (const caller of [{}, { origin: "https://app.example" }]) {
      const varies = async (path: string, headers = {}) =>
        (await app.request(path, { headers: { ...caller, ...headers } })).headers.get("vary");
      assert.is(await varies("/api/workflows"), "Origin");
      assert.is(await varies(`/api/executions/${id}/events`), "Accept, Origin");
      assert.is(await varies("/api/events", { accept: "text/html" }), "Accept, Origin");
    }
  }));

test("without CORS origins no response has CORS headers", () =>
  withApp({}, async ({ app }) => {
    const headers = { origin: "https://app.example", "access-control-request-method": "GET" };
    for (const method of ["GET", "OPTIONS"]) {
      const response = await app.request("/api/workflows", { method, headers });
      assert.not(response.headers.has("access-control-allow-origin"));
    }
  }));

test("GET /health says what is running, and answers 503 when the store is down", () =>
  withApp({}, async ({ app, store }) => {
    const up = await app.request("/health");
    assert.is(up.status, 200);
    assert.equal(await json(up), {
      status: "up",
      version: "0.0.0",
      driver: "memory",
      documents: "memory",
      instance: "test",
      roles: ["http"],
      checks: { redis: { status: "disabled" } },
    });
    store.health = () => Promise.resolve({ status: "down", detail: "refused" });
    const down = await app.request("/health");
    assert.is(down.status, 503);
    assert.equal((await json(down)).checks.redis, { status: "down", detail: "refused" });
    store.health = () => Promise.reject(new Error("broken"));
    assert.is((await app.request("/health")).status, 503);
    assert.is((await app.request("/livez")).status, 200);
  }));

test("with tokens, a stranger learns whether it is well, and neither version nor names", async () => {
  const metrics = { text: () => Promise.resolve({ contentType: "text/plain", body: "up 1\n" }) };
  const ready = () => ({ ready: false, reason: "connect ECONNREFUSED cache.internal:6379" });
  const config = { apiTokens: apiTokens.parse("long-enough") };
  await withApp({ config, deps: { metrics, ready, info: { version: "9.8.7" } } }, async ({ app, store }) => {
    store.health = () => Promise.resolve({ status: "down", detail: "cache.internal refused", latency: 3 });
    const own = { headers: { authorization: "Bearer long-enough" } };
    for (const init of [{}, { headers: { authorization: "Bearer wrong-token" } }]) {
      const health = await app.request("/health", init);
      assert.is(health.status, 503);
      assert.equal(await json(health), { status: "down", checks: { redis: { status: "down" } } });
      const readiness = await app.request("/readyz", init);
      assert.is(readiness.status, 503);
      assert.equal(await json(readiness), { ready: false });
      assert.is((await app.request("/livez", init)).status, 200);
      const refused = await app.request("/metrics", init);
      assert.is(refused.status, 401);
      assert.match(refused.headers.get("www-authenticate")!, /^Bearer/);
    }
    const full = await json(await app.request("/health", own));
    assert.equal([full.version, full.instance, full.checks.redis.detail], ["9.8.7", "test", "cache.internal refused"]);
    assert.match((await json(await app.request("/readyz", own))).reason, "cache.internal");
    assert.is(await (await app.request("/metrics", own)).text(), "up 1\n");
  });
  await withApp({ config: { ...config, metricsPublic: true }, deps: { metrics } }, async ({ app }) => {
    assert.is((await app.request("/metrics")).status, 200);
    assert.equal(await json(await app.request("/health")), { status: "up", checks: { redis: { status: "disabled" } } });
  });
});

test("GET /readyz answers 503 with the reason while the instance is not ready", async () => {
  await withApp({}, async ({ app }) => assert.is((await app.request("/readyz")).status, 200));
  await withApp({ deps: { ready: () => ({ ready: false, reason: "draining" }) } }, async ({ app }) => {
    const response = await app.request("/readyz");
    assert.is(response.status, 503);
    assert.equal(await json(response), { ready: false, reason: "draining" });
  });
});

test("GET /metrics answers with the exposition, and answers are counted by route, not by path", async () => {
  const counted: [string, number][] = [];
  const metrics = {
    text: () => Promise.resolve({ contentType: "text/plain; version=0.0.4", body: "up 1\n" }),
    httpAnswered: (route: string, status: number) => void counted.push([route, status]),
  };
  await withApp({ deps: { metrics } }, async ({ app }) => {
    const response = await app.request("/metrics");
    assert.is(response.headers.get("content-type"), "text/plain; version=0.0.4");
    assert.is(await response.text(), "up 1\n");
    await app.request("/api/workflows/unknown");
    await app.request("/webhook/unknown", post({}));
    await app.request("/unknown");
    assert.equal(counted, [["/metrics", 200], ["/api/workflows/:id", 404], ["/webhook/*", 404], ["/*", 404]]);
  });
  await withApp({}, async ({ app }) => assert.is((await app.request("/metrics")).status, 404));
});

test.run();
