import { test } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { json, post, request, taken, withApp } from "./harness.ts";
import { compiled, webhookWorkflow } from "./workflows.ts";

const KEY = { "idempotency-key": "order-1" };
/** Whoever is not answered because it closes waits for longer than this file may take. */
const WORKFLOWS = [webhookWorkflow({ timeoutSeconds: 600 }), compiled("w1", { manualTrigger: "start" })];

test("callers who wait are answered when the instance closes, and their executions run on", () => {
  return withApp({ workflows: WORKFLOWS, work: () => "hold" }, async ({ app, store, claims }) => {
    const append = store.log.request.bind(store.log);
    const appended: unknown[] = [];
    store.log.request = async (made) => {
      const answer = await append(made);
      appended.push(answer);
      return answer;
    };
    const webhook = app.request("/webhook/orders", post({}, KEY));
    const attached = app.request("/webhook/orders", post({}, KEY));
    const preferred = app.request("/webhook/orders", post({}, { prefer: "wait=600" }));
    const run = app.request("/api/workflows/w1/run", post({}, { prefer: "wait=600" }));
    const id = uuidv7();
    await request(store, id);
    const result = app.request(`/api/executions/${id}/result`, { headers: { prefer: "wait=600" } });
    // The one that is attached has no claim.
    await taken(appended, 5);
    await taken(claims, 4);
    await new Promise((resolve) => setTimeout(resolve, 5));
    store.replies.close("closing");

    const ids = new Set<string>();
    for (const response of [await webhook, await attached]) {
      assert.is(response.status, 503);
      assert.is(response.headers.get("retry-after"), "1");
      const problem = await json(response);
      assert.is(problem.code, "shutting_down");
      assert.is(response.headers.get("location"), `/api/executions/${problem.executionId}`);
      assert.is((await store.log.meta(problem.executionId))!.endedAt, undefined);
      ids.add(problem.executionId);
    }
    assert.is(ids.size, 1);
    for (const response of [await preferred, await run, await result]) {
      assert.is(response.status, 202);
      assert.ok(response.headers.get("location"));
    }
    assert.is(store.replies.size, 0);
  });
});

test("a request whose append is under way when the instance closes is answered after it", () => {
  return withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const append = store.log.request.bind(store.log);
    const held: (() => void)[] = [];
    store.log.request = async (made) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return await append(made);
    };
    let answered = false;
    const call = Promise.resolve(app.request("/webhook/orders", post({}))).finally(() => answered = true);
    await taken(held);
    store.replies.close("closing");
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.not(answered);
    held[0]!();
    const response = await call;
    assert.is(response.status, 503);
    await taken(claims);
    assert.is(response.headers.get("execution-id"), claims[0]!.executionId);
  });
});

test("a closing instance starts nothing for callers who would wait, and still takes those who do not", () => {
  return withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    store.replies.close("closing");
    const response = await app.request("/webhook/orders", post({}));
    assert.is(response.status, 503);
    assert.is(response.headers.get("retry-after"), "1");
    assert.not(response.headers.has("execution-id"));
    assert.is((await json(response)).code, "shutting_down");
    assert.is((await app.request("/webhook/orders", post({}, { prefer: "respond-async" }))).status, 202);
    await taken(claims);
    assert.is(claims.length, 1);
  });
});

test.run();
