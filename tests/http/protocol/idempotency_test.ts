import { test } from "uvu";
import * as assert from "uvu/assert";
import { compiled, webhookWorkflow } from "../workflows.ts";
import { finish, json, post, taken, withApp } from "../harness.ts";
import { essence, KEY } from "./one_key.ts";

test("POST /webhook makes one execution of a hundred requests with one key, and answers all alike", () =>
  withApp({ work: () => "hold", maxWaiters: 200 }, async ({ app, store, claims }) => {
    const calls = Array.from({ length: 100 }, () => app.request("/webhook/orders", post({ n: 1 }, KEY)));
    await taken(claims);
    while (store.replies.size > 1) await new Promise((resolve) => setTimeout(resolve));
    await finish(store, claims[0]!, { status: "completed", response: { status: 201, headers: {}, body: { ok: 1 } } });
    const responses = await Promise.all(calls);
    assert.is(responses.filter((response) => response.headers.get("idempotency-replayed") === "true").length, 99);
    const answers = await Promise.all(responses.map(essence));
    for (const answer of answers) assert.equal(answer, [201, '{"ok":1}', claims[0]!.executionId]);
    assert.is(claims.length, 1);
    assert.is(store.replies.size, 0);

    const later = await app.request("/webhook/orders", post({ n: 1 }, KEY));
    assert.is(later.headers.get("idempotency-replayed"), "true");
    assert.equal(await essence(later), answers[0]);
  }));

test("POST /webhook answers a failed execution's key with the same problem again", () =>
  withApp({ work: () => ({ status: "failed", error: { code: "x", message: "Broken" } }) }, async ({ app, claims }) => {
    const first = await essence(await app.request("/webhook/orders", post({}, KEY)));
    assert.is(first[0], 500);
    assert.equal(await essence(await app.request("/webhook/orders", post({}, KEY))), first);
    assert.is(claims.length, 1);
  }));

test("POST /webhook answers the same key with another request with 422", () =>
  withApp({}, async ({ app, claims }) => {
    assert.is((await app.request("/webhook/orders", post({ n: 1 }, KEY))).status, 200);
    const others: [string, RequestInit][] = [["/webhook/orders", post({ n: 2 }, KEY)], [
      "/webhook/orders?a",
      post({ n: 1 }, KEY),
    ]];
    for (const [path, init] of others) {
      const response = await app.request(path, init);
      assert.is(response.status, 422);
      assert.is((await json(response)).code, "idempotency_key_reused");
      assert.not(response.headers.has("execution-id"));
    }
    const other = await app.request("/webhook/orders", post({ n: 2 }, { "idempotency-key": "order-2" }));
    assert.is(other.status, 200);
    assert.is(claims.length, 2);
  }));

test("POST /webhook takes a key quoted or bare, as one, and refuses what is none with 400", () =>
  withApp({}, async ({ app, claims }) => {
    const send = (key: string) => app.request("/webhook/orders", post({}, { "idempotency-key": key }));
    for (
      const [one, same] of [["abc", '"abc"'], [String.raw`a"\b`, String.raw`"a\"\\b"`], [
        "x".repeat(255),
        `"${"x".repeat(255)}"`,
      ]]
    ) {
      const ids = [(await send(one!)).headers.get("execution-id"), (await send(same!)).headers.get("execution-id")];
      assert.is(ids[0], ids[1], one);
    }
    assert.is((await send('"with space"')).status, 200);
    const taken = claims.length;
    for (
      const wrong of ["", '""', "a b", '"a', 'a"b c"', '"a"b"', '"a\\n"', "a, b", "x".repeat(256), "\u00e9", "a\tb"]
    ) {
      const response = await send(wrong);
      assert.is(response.status, 400, wrong);
      assert.is((await json(response)).code, "invalid_idempotency_key");
    }
    assert.is(claims.length, taken);
  }));

test("POST /webhook answers onReceived and respond-async with the same bytes again", () =>
  withApp({
    workflows: [webhookWorkflow({ responseMode: "onReceived" }), webhookWorkflow({ id: "slow", path: "slow" })],
    work: () => "hold",
  }, async ({ app }) => {
    for (const [path, headers] of [["orders", KEY], ["slow", { ...KEY, prefer: "respond-async" }]] as const) {
      const first = await app.request(`/webhook/${path}`, post({}, headers));
      const again = await app.request(`/webhook/${path}`, post({}, headers));
      assert.is(again.headers.get("location"), first.headers.get("location"));
      assert.is(again.headers.get("idempotency-replayed"), "true");
      assert.not(first.headers.has("idempotency-replayed"));
      assert.equal(await essence(again), await essence(first));
    }
  }));

test("POST /webhook answers 504 at the repetition's own deadline, with the execution of the key", () =>
  withApp(
    { workflows: [webhookWorkflow({ timeoutSeconds: 0.03 })], work: () => "hold", maxWaiters: 1 },
    async ({ app, claims, store }) => {
      for (let call = 0; call < 2; call++) {
        const response = await app.request("/webhook/orders", post({}, KEY));
        assert.is(response.status, 504);
        assert.is((await json(response)).executionId, claims[0]!.executionId);
      }
      assert.is(store.replies.size, 0);
    },
  ));

test("POST /webhook answers result_not_found when the key outlived the result", () =>
  withApp({}, async ({ app, store }) => {
    const first = await app.request("/webhook/orders", post({}, KEY));
    store.log.result = () => Promise.resolve(undefined);
    const response = await app.request("/webhook/orders", post({}, KEY));
    assert.is(response.status, 404);
    assert.is((await json(response)).code, "result_not_found");
    assert.is(response.headers.get("execution-id"), first.headers.get("execution-id"));
  }));

test("POST /webhook keeps no result and no history for longer because of a key", async () => {
  const kept = (id: string, saveExecutionToDatabase: boolean) => {
    const workflow = webhookWorkflow({ id, path: id });
    const settings = { ...workflow.definition.settings, saveExecutionToDatabase, resultTtlSeconds: 7 };
    return { ...workflow, definition: { ...workflow.definition, settings } };
  };
  const workflows = [kept("unsaved", false), kept("saved", true)];
  for (const historyTtlSeconds of [1, 500, 5_000]) {
    const config = { idempotencyTtlSeconds: 1_000, historyTtlSeconds };
    await withApp({ workflows, config }, async ({ app, store }) => {
      const seen: number[][] = [];
      const request = store.log.request.bind(store.log);
      store.log.request = (made) => {
        seen.push([made.resultTtlSeconds, made.historyTtlSeconds, made.idempotency!.ttlSeconds]);
        return request(made);
      };
      for (const { id } of workflows) await app.request(`/webhook/${id}`, post({}, KEY));
      const history = Math.max(7, historyTtlSeconds);
      assert.equal(seen, [[7, 7, 1_000], [Math.max(7, Math.min(history, 1_000)), history, 1_000]]);
    });
  }
});

test("POST /webhook keeps a saved result with its history while the key lives, and makes the id with the key", () =>
  withApp({ config: { idempotencyTtlSeconds: 400, historyTtlSeconds: 500 } }, async ({ app, store }) => {
    const { makeId, request } = store.log;
    const seen: unknown[] = [];
    store.log.makeId = (options) => {
      seen.push(options);
      return makeId.call(store.log, options);
    };
    store.log.request = (made) => {
      seen.push([made.resultTtlSeconds, made.historyTtlSeconds, made.idempotency?.key, made.idempotency?.ttlSeconds]);
      return request.call(store.log, made);
    };
    await app.request("/webhook/orders", post({}, KEY));
    assert.equal(seen, [
      { workflowId: "hooked", limited: false, idempotencyKey: "order-1" },
      [400, 500, "order-1", 400],
    ]);
  }));

test("POST /api/workflows/<id>/run starts one execution a key, waited for or not", () =>
  withApp(
    { workflows: [compiled("w1", { manualTrigger: "start" })], work: () => "hold" },
    async ({ app, store, claims }) => {
      const run = (n: number, headers = {}) =>
        app.request("/api/workflows/w1/run", post({ input: n }, { ...KEY, ...headers }));
      const accepted = await run(1);
      assert.not(accepted.headers.has("idempotency-replayed"));
      const again = await run(1, { prefer: "respond-async" });
      assert.is(again.headers.get("idempotency-replayed"), "true");
      assert.equal(await essence(again), await essence(accepted));
      const waiting = run(1, { prefer: "wait=5" });
      await taken(claims);
      await finish(store, claims[0]!, { status: "completed", output: 7 });
      const { executionId } = claims[0]!;
      for (const response of [await waiting, await run(1, { prefer: "wait=5" })]) {
        assert.is(response.status, 200);
        assert.is(response.headers.get("location"), `/api/executions/${executionId}`);
        assert.equal(await json(response), { executionId, status: "completed", output: 7 });
      }
      const other = await run(1, { authorization: "Bearer other-token" });
      assert.not.equal(other.headers.get("execution-id"), executionId);
      assert.is((await run(2)).status, 422);
      assert.is((await run(1, { "idempotency-key": "a b" })).status, 400);
      await taken(claims, 2);
      assert.is(claims.length, 2);
    },
  ));

test.run();
