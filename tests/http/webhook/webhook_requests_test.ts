import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WorkflowSettings } from "../../../src/workflow/definition.ts";
import { json, post, withApp } from "../harness.ts";
import { webhookWorkflow } from "../workflows.ts";

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

test("/webhook, however it is spelled, is followed by the webhook's path", () => {
  const workflows = ["orders", "k/orders", "webhook"].map((path) => webhookWorkflow({ id: `at-${path}`, path }));
  return withApp({ workflows }, async ({ app }) => {
    for (const prefix of ["webhook", "%77ebhook", "%77%65%62%68%6f%6f%6b", "web%68ook"]) {
      for (const { webhooks } of workflows) {
        const response = await app.request(`/${prefix}/${webhooks[0]!.path}`, post({}));
        assert.is((await json(response)).path, webhooks[0]!.path);
      }
      for (const path of [`/${prefix}`, `/${prefix}/`]) {
        assert.is((await json(await app.request(path, post({})))).code, "webhook_not_found", path);
      }
    }
  });
});

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

test.run();
