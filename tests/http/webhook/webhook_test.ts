import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError, UnavailableError } from "../../../src/lib/errors.ts";
import { isExecutionId } from "../../../src/lib/uuidv7.ts";
import { finish, json, post, withApp } from "../harness.ts";
import { webhookWorkflow } from "../workflows.ts";

test("POST /webhook answers with the trigger's output through the workflow", () =>
  withApp({}, async ({ app, lines }) => {
    const response = await app.request("/webhook/orders?a=1&a=2&b=3", post({ n: 1 }, { "X-Custom": "yes" }));
    assert.is(response.status, 200);
    const id = response.headers.get("execution-id")!;
    assert.ok(isExecutionId(id));
    assert.match(
      response.headers.get("server-timing")!,
      /^way;desc="queue", append;dur=[\d.]+, wait;dur=[\d.]+, total;dur=[\d.]+$/,
    );
    assert.is(response.headers.get("x-content-type-options"), "nosniff");
    const input = await json(response);
    assert.is(input.headers["x-custom"], "yes");
    delete input.headers;
    assert.equal(input, {
      method: "POST",
      path: "orders",
      params: {},
      query: { a: ["1", "2"], b: "3" },
      body: { n: 1 },
    });
    assert.is(lines.length, 1);
    assert.is(lines[0]!.fields["executionId"], id);
    assert.is(lines[0]!.fields["status"], 200);
  }));

test("POST /webhook answers with the response that the workflow set", () =>
  withApp({
    work: () => ({ status: "completed", response: { status: 201, headers: { "x-total": "7" }, body: { ok: true } } }),
  }, async ({ app }) => {
    const response = await app.request("/webhook/orders", post({}));
    assert.is(response.status, 201);
    assert.is(response.headers.get("x-total"), "7");
    assert.equal(await json(response), { ok: true });
  }));

test("POST /webhook answers at once when the response mode is onReceived", () =>
  withApp(
    { workflows: [webhookWorkflow({ responseMode: "onReceived" })], work: () => "hold" },
    async ({ app, store }) => {
      const response = await app.request("/webhook/orders", post({}));
      assert.is(response.status, 200);
      const id = response.headers.get("execution-id")!;
      assert.equal(await json(response), { executionId: id, status: "pending" });
      assert.is(response.headers.get("location"), `/api/executions/${id}`);
      assert.ok(await store.log.meta(id), "the request is in the log before the answer");
    },
  ));

test("POST /webhook asks for an early reply in the response mode responseNode only", () =>
  withApp({
    workflows: [webhookWorkflow(), webhookWorkflow({ id: "early", path: "early", responseMode: "responseNode" })],
  }, async ({ app, claims }) => {
    await app.request("/webhook/early", post({}));
    await app.request("/webhook/orders", post({}));
    assert.equal(claims.map(({ replyEarly }) => replyEarly), [true, false]);
  }));

test("POST /webhook answers 500 with the node's error when the execution failed", () =>
  withApp({
    work: () => ({ status: "failed", error: { code: "http_status", message: "404 from upstream", node: "call" } }),
  }, async ({ app }) => {
    const response = await app.request("/webhook/orders", post({}));
    assert.is(response.status, 500);
    assert.is(response.headers.get("content-type"), "application/problem+json");
    const problem = await json(response);
    assert.is(problem.code, "execution_failed");
    assert.is(problem.executionId, response.headers.get("execution-id"));
    assert.is(problem.instance, "/webhook/orders");
    assert.equal(problem.error, { code: "http_status", message: "404 from upstream", node: "call" });
  }));

test("POST /webhook answers 504 at the deadline, frees the waiter, and the execution runs on", () =>
  withApp(
    { workflows: [webhookWorkflow({ timeoutSeconds: 0.03 })], work: () => "hold", maxWaiters: 1 },
    async ({ app, store, claims }) => {
      for (let call = 0; call < 2; call++) {
        const response = await app.request("/webhook/orders", post({}));
        assert.is(response.status, 504);
        const problem = await json(response);
        assert.is(problem.code, "deadline_exceeded");
        assert.is(response.headers.get("location"), `/api/executions/${problem.executionId}`);
        assert.is((await store.log.meta(problem.executionId))!.endedAt, undefined);
      }
      await finish(store, claims[0]!, { status: "completed", output: 1 });
    },
  ));

test("POST /webhook answers 202 with Preference-Applied when the preferred wait is over", () =>
  withApp({ work: () => "hold" }, async ({ app }) => {
    const response = await app.request("/webhook/orders", post({}, { prefer: "wait=1" }));
    assert.is(response.status, 202);
    const id = response.headers.get("execution-id");
    assert.is(response.headers.get("preference-applied"), "wait=1");
    assert.is(response.headers.get("location"), `/api/executions/${id}`);
    assert.equal(await json(response), { executionId: id, status: "pending" });
  }));

test("POST /webhook answers 202 at once when respond-async is preferred", () =>
  withApp({ work: () => "hold", maxWaiters: 0 }, async ({ app, claims, store }) => {
    const response = await app.request("/webhook/orders", post({}, { prefer: "respond-async" }));
    assert.is(response.status, 202);
    assert.is(response.headers.get("preference-applied"), "respond-async");
    await new Promise((resolve) => setTimeout(resolve));
    assert.is(claims[0]!.replyTo, undefined);
    await finish(store, claims[0]!, { status: "completed" });
  }));

test("POST /webhook answers 503 too_many_waiters past the limit, and requests nothing", () =>
  withApp({ maxWaiters: 0 }, async ({ app, claims }) => {
    const response = await app.request("/webhook/orders", post({}));
    assert.is(response.status, 503);
    assert.is((await json(response)).code, "too_many_waiters");
    await new Promise((resolve) => setTimeout(resolve));
    assert.is(claims.length, 0);
  }));

test("POST /webhook answers 503 with Retry-After, and frees the waiter, when the store is unavailable", () =>
  withApp({ maxWaiters: 1 }, async ({ app, store }) => {
    const { log } = store;
    const working = log.request.bind(log);
    log.request = () => Promise.reject(new UnavailableError("Redis is away", { mayHaveHappened: false }));
    for (let call = 0; call < 2; call++) {
      const response = await app.request("/webhook/orders", post({}));
      assert.is(response.status, 503);
      assert.is(response.headers.get("retry-after"), "1");
      assert.is((await json(response)).code, "unavailable");
    }
    log.request = working;
    assert.is((await app.request("/webhook/orders", post({}))).status, 200);
  }));

test("POST /webhook keeps its deadline when the store neither takes nor refuses the request", () =>
  withApp({ workflows: [webhookWorkflow({ timeoutSeconds: 0.03 })] }, async ({ app, store }) => {
    store.log.request = () => new Promise(() => {});
    const response = await app.request("/webhook/orders", post({}));
    assert.is(response.status, 503);
    assert.is((await json(response)).code, "outcome_unknown");
  }));

test("POST /webhook frees the waiter when the client goes, and the execution runs on", () =>
  withApp({ work: () => "hold", maxWaiters: 1 }, async ({ app, store, claims, lines }) => {
    const controller = new AbortController();
    const response = app.request("/webhook/orders", { ...post({}), signal: controller.signal });
    while (claims.length === 0) await new Promise((resolve) => setTimeout(resolve));
    controller.abort();
    assert.is((await response).status, 499);
    assert.is(lines[0]!.fields["status"], 499);
    assert.is((await store.log.meta(claims[0]!.executionId))!.endedAt, undefined);
    const next = await app.request("/webhook/orders", post({}, { prefer: "wait=0" }));
    assert.is(next.status, 202);
  }));

test("/webhook hides what an internal error says, and logs it", () =>
  withApp({}, async ({ app, store, lines }) => {
    for (const thrown of [new Error("secret"), "secret"]) {
      store.log.request = () => Promise.reject(thrown);
      const response = await app.request("/webhook/orders", post({}, { "x-request-id": "r-1" }));
      assert.is(response.status, 500);
      const text = await response.text();
      assert.not.match(text, /secret/);
      assert.is(JSON.parse(text).code, "internal_error");
    }
    const errors = lines.filter(({ level }) => level === "error");
    assert.is(errors.length, 2);
    assert.is(errors[0]!.fields["requestId"], "r-1");
  }));

test("/webhook answers what the store refuses with Retry-After, and names no execution", () =>
  withApp({ maxWaiters: 1 }, async ({ app, store }) => {
    for (const [code, status] of [["queue_full", 503], ["concurrency_exceeded", 429]] as const) {
      for (const headers of [{}, { "retry-after": "3" }]) {
        store.log.request = () => Promise.reject(new MillraceError(code, "Refused", { headers }));
        const response = await app.request("/webhook/orders", post({}));
        assert.is(response.status, status);
        assert.is(response.headers.get("retry-after"), headers["retry-after"] ?? "1");
        assert.not(response.headers.has("execution-id"));
        const problem = await json(response);
        assert.is(problem.code, code);
        assert.not("executionId" in problem);
      }
    }
  }));

test.run();
