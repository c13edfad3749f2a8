import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError, UnavailableError } from "../../../src/lib/errors.ts";
import { isExecutionId } from "../../../src/lib/uuidv7.ts";
import type { WorkflowSettings } from "../../../src/workflow/definition.ts";
import { finish, json, post, webhookWorkflow, withApp } from "../harness.ts";

test("POST /webhook answers with the trigger's output through the workflow", () =>
  withApp({}, async ({ app, lines }) => {
    const response = await app.request("/webhook/orders?a=1&a=2&b=3", post({ n: 1 }, { "X-Custom": "yes" }));
    assert.is(response.status, 200);
    const id = response.headers.get("execution-id")!;
    assert.ok(isExecutionId(id));
    assert.match(response.headers.get("server-timing")!, /^append;dur=[\d.]+, wait;dur=[\d.]+, total;dur=[\d.]+$/);
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

test("/webhook answers an unknown path with 404", () =>
  withApp({}, async ({ app, lines }) => {
    for (const path of ["/webhook/nothing", "/webhook/", "/webhook"]) {
      const response = await app.request(path, post({}));
      assert.is(response.status, 404, path);
      assert.is((await json(response)).code, "webhook_not_found");
      assert.ok(response.headers.get("server-timing"));
    }
    assert.is(lines.length, 3);
  }));

test("/webhook answers another method with 405 and Allow", () =>
  withApp({}, async ({ app }) => {
    for (const method of ["GET", "PUT", "PROPFIND"]) {
      const response = await app.request("/webhook/orders", { method });
      assert.is(response.status, 405, method);
      assert.is(response.headers.get("allow"), "POST, OPTIONS");
      assert.is((await json(response)).code, "method_not_allowed");
    }
    assert.is((await app.request("/webhook/orders", { method: "HEAD" })).status, 405);
    const options = await app.request("/webhook/orders", { method: "OPTIONS" });
    assert.is(options.status, 204);
    assert.is(options.headers.get("allow"), "POST, OPTIONS");
  }));

test("HEAD /webhook runs what GET would, and answers without a body", () =>
  withApp({ workflows: [webhookWorkflow({ methods: ["GET"] })] }, async ({ app, claims }) => {
    const response = await app.request("/webhook/orders", { method: "HEAD" });
    assert.is(response.status, 200);
    assert.is(await response.text(), "");
    assert.is(claims.length, 1);
  }));

test("/webhook answers bodies that it cannot read with problems, and requests nothing", () =>
  withApp({}, async ({ app, claims }) => {
    const type = "application/json";
    const cases: [string | Uint8Array<ArrayBuffer>, string, number, string][] = [
      ['{"a":', type, 400, "malformed_json"],
      ["[".repeat(5_000) + "]".repeat(5_000), type, 400, "json_too_deep"],
      [new Uint8Array([0x22, 0xff, 0x22]), type, 400, "malformed_body"],
      ["nonsense", "multipart/form-data", 400, "malformed_body"],
      ["x".repeat(100_001), "text/plain", 413, "body_too_large"],
    ];
    for (const [body, contentType, status, code] of cases) {
      const headers = { "content-type": contentType };
      const response = await app.request("/webhook/orders", { method: "POST", body, headers });
      assert.is(response.status, status, code);
      assert.is((await json(response)).code, code);
      assert.not(response.headers.has("execution-id"));
    }
    const declared = await app.request("/webhook/orders", post({}, { "content-length": "100001" }));
    assert.is(declared.status, 413);
    await new Promise((resolve) => setTimeout(resolve));
    assert.is(claims.length, 0);
  }));

test("/webhook carries __proto__ as data", () =>
  withApp({}, async ({ app }) => {
    const init = post(null);
    const response = await app.request("/webhook/orders?__proto__=q", {
      ...init,
      body: '{"__proto__":{"polluted":1}}',
    });
    const text = await response.text();
    assert.ok(text.includes('"body":{"__proto__":{"polluted":1}}'), text);
    assert.ok(text.includes('"query":{"__proto__":"q"}'), text);
    assert.is(({} as Record<string, unknown>)["polluted"], undefined);
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

test("/webhook answers CORS preflights for the configured origins only", () =>
  withApp({ config: { corsOrigins: ["https://app.example"] } }, async ({ app, claims }) => {
    const ask = (origin: string) =>
      app.request("/webhook/orders", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-a" },
      });
    const allowed = await ask("https://app.example");
    assert.is(allowed.status, 204);
    assert.is(allowed.headers.get("access-control-allow-origin"), "https://app.example");
    assert.is(allowed.headers.get("access-control-allow-methods"), "POST");
    assert.is(allowed.headers.get("access-control-allow-headers"), "x-a");
    assert.not((await ask("https://evil.example")).headers.has("access-control-allow-origin"));
    const response = await app.request("/webhook/orders", post({}, { origin: "https://app.example" }));
    assert.is(response.headers.get("access-control-allow-origin"), "https://app.example");
    assert.is(claims.length, 1);
  }));

test("/webhook keeps result and history as long as the workflow's settings and the configuration say", () => {
  const kept = (id: string, saveExecutionToDatabase: boolean, resultTtlSeconds: number) => {
    const workflow = webhookWorkflow({ id, path: id });
    const settings = { ...workflow.definition.settings, saveExecutionToDatabase, resultTtlSeconds };
    return { ...workflow, definition: { ...workflow.definition, settings } };
  };
  const workflows = [kept("unsaved", false, 7), kept("saved", true, 7), kept("long", true, 90)];
  return withApp({ workflows, config: { historyTtlSeconds: 60 } }, async ({ app, store }) => {
    const seen: number[][] = [];
    const request = store.log.request.bind(store.log);
    store.log.request = (made) => {
      seen.push([made.resultTtlSeconds, made.historyTtlSeconds]);
      return request(made);
    };
    for (const { id } of workflows) await app.request(`/webhook/${id}`, post({}));
    assert.equal(seen, [[7, 7], [7, 60], [90, 90]]);
  });
});

test("/webhook names timeout, slots and overlap as the workflow's settings have them", () => {
  const limited = (id: string, settings: Partial<WorkflowSettings>) => {
    const workflow = webhookWorkflow({ id, path: id });
    const { definition } = workflow;
    return { ...workflow, definition: { ...definition, settings: { ...definition.settings, ...settings } } };
  };
  const workflows = [
    limited("free", { timeoutSeconds: 1.5 }),
    limited("slots", { concurrency: 3 }),
    limited("overlap", { onOverlap: "reject" }),
    limited("both", { concurrency: 2, onOverlap: "cancelPrevious" }),
  ];
  return withApp({ workflows }, async ({ app, store }) => {
    const seen: unknown[] = [];
    const { makeId, request } = store.log;
    store.log.makeId = (options) => {
      seen.push(options);
      return makeId.call(store.log, options);
    };
    store.log.request = (made) => {
      seen.push([made.timeoutMs, made.concurrency]);
      return request.call(store.log, made);
    };
    for (const { id } of workflows) assert.is((await app.request(`/webhook/${id}`, post({}))).status, 200);
    assert.equal(seen, [
      { workflowId: "free", limited: false },
      [1_500, undefined],
      { workflowId: "slots", limited: true },
      [300_000, { limit: 3, onOverlap: "queue" }],
      { workflowId: "overlap", limited: true },
      [300_000, { limit: 1, onOverlap: "reject" }],
      { workflowId: "both", limited: true },
      [300_000, { limit: 2, onOverlap: "cancelPrevious" }],
    ]);
  });
});

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
