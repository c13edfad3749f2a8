/**
 * Executions that other programs run, over HTTP, with all that a process has behind it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../../src/lib/delay.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import { eventually } from "../../support/eventually.ts";
import { json, post } from "../harness.ts";
import { readMessages } from "../read_messages.ts";
import { chain, openWholeApp, type WholeApp } from "../whole_app.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

async function call({ app }: WholeApp, path: string, body: Any, status = 200): Promise<Any> {
  const response = await app.request(path, post(body));
  const answer = await json(response);
  assert.is(response.status, status, `${path}: ${JSON.stringify(answer)}`);
  return answer;
}

const external = (path: string) => {
  const definition = chain(path, []) as Any;
  definition.nodes[0].parameters.executor = "external";
  return definition;
};

test("POST /api/executions creates what its creator reports: state, result, events and SSE as for any other", async () => {
  await using whole = await openWholeApp();
  const { app } = whole;
  const created = await app.request("/api/executions", post({ workflowId: "imports", input: { file: "a" } }));
  assert.is(created.status, 201);
  const { executionId: id, status } = await json(created);
  assert.equal([status, created.headers.get("location")], ["pending", `/api/executions/${id}`]);
  const path = `/api/executions/${id}/events`;
  const stream = readMessages(await app.request(path, { headers: { accept: "text/event-stream" } }));
  const state = async () => (await json(await app.request(`/api/workflow-state/${id}`))).state;
  assert.equal([(await state()).status, (await state()).progress], ["pending", 0]);

  await call(whole, path, { id: "1", type: "started", totalSteps: 4 });
  const progress = { type: "progress", id: "2", completedSteps: 1, currentStep: "parse", data: { rows: 10 } };
  assert.equal(await call(whole, path, [progress, progress]), {
    ...{ success: true, executionId: id, status: "running", accepted: 1, duplicates: 1 },
  });
  const { startedAt: _s, updatedAt: _u, estimatedCompletion, ...shown } = await state();
  assert.equal(shown, {
    ...{ executionId: id, workflowId: "imports", status: "running", progress: 25, currentStep: "parse" },
    ...{ totalSteps: 4, completedSteps: 1, data: { rows: 10 } },
  });
  assert.type(estimatedCompletion, "number");
  await call(whole, path, { type: "progress", progress: 60 });
  assert.is((await state()).progress, 60);
  await call(whole, path, { id: "9", type: "execution.completed", result: { rows: 40 } });
  const done = await state();
  assert.equal([done.status, done.progress, done.completedSteps, done.currentStep], ["completed", 100, 4, null]);
  assert.equal(await json(await app.request(`/api/executions/${id}/result`)), {
    ...{ executionId: id, status: "completed", output: { rows: 40 } },
  });
  assert.equal((await stream).map(({ event }) => event as string), [
    "execution.requested",
    "execution.started",
    "execution.progress",
    "execution.progress",
    "node.completed",
    "execution.completed",
  ]);
  // Again, and late.
  assert.is((await call(whole, path, { id: "9", type: "completed" })).duplicates, 1);
  assert.is((await call(whole, path, { type: "failed" }, 409)).code, "execution_ended");
});

test("POST /api/work/take hands out a webhook's executions; its caller gets what the program reports", async () => {
  await using whole = await openWholeApp();
  const { app, catalog } = whole;
  await catalog.put("orders", external("orders"));
  // It waits for what comes.
  const taking = call(whole, "/api/work/take", { waitSeconds: 30, leaseSeconds: 60 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const caller = app.request("/webhook/orders", post({ n: 7 }));
  const { executions: [work] } = await taking;
  assert.equal([work.workflowId, work.trigger, work.input.body], ["orders", "hook", { n: 7 }]);
  assert.equal((await call(whole, "/api/work/take", { waitSeconds: 0 })).executions, []);
  const path = `/api/executions/${work.executionId}/events`;
  const events = [{ type: "started" }, { type: "completed", result: { ok: true } }];
  assert.is((await call(whole, path, { events }, 409)).code, "lease_lost");
  assert.is((await call(whole, path, { epoch: work.epoch, events })).accepted, 2);
  const response = await caller;
  assert.equal([response.status, await json(response)], [200, { ok: true }]);

  const failing = app.request("/webhook/orders", post({}));
  const { executions: [next] } = await call(whole, "/api/work/take", { workflow: "orders", waitSeconds: 30 });
  await call(whole, `/api/executions/${next.executionId}/events`, {
    epoch: next.epoch,
    events: [{ type: "started" }, { type: "failed", error: { code: "no_stock", message: "Nothing is left" } }],
  });
  const failed = await failing;
  assert.is(failed.status, 500);
  const { error } = await json(await app.request(`/api/executions/${next.executionId}/result`));
  assert.equal(error, { code: "no_stock", message: "Nothing is left" });
});

test("POST /api/work/take does not look again for what workers run, and looks for work of a workflow that is new", async () => {
  const store = createMemoryStore({ instance: "test", maxWaiters: 100 });
  let looks = 0;
  const take = store.external.take.bind(store.external);
  store.external.take = (options) => {
    looks++;
    return take(options);
  };
  await using whole = await openWholeApp({ store });
  const { app, catalog } = whole;
  await catalog.put("plain", chain("plain", []) as Any);
  for (const [path, asked] of [["listed", { workflows: ["listed", "listed"] }], ["unlisted", {}]] as const) {
    looks = 0;
    const begun = performance.now();
    const taking = call(whole, "/api/work/take", { waitSeconds: 60, ...asked });
    await eventually(() => looks >= 2, "the look when the feed is followed");
    for (let n = 0; n < 50; n++) {
      assert.is((await app.request("/webhook/plain", post({ n }))).status, 200);
      await pause(2);
    }
    const most = 2 + (performance.now() - begun) / 1000;
    assert.ok(looks <= most, `${looks} looks, not ${most}`);
    await catalog.put(path, external(path));
    const caller = app.request(`/webhook/${path}`, post({}));
    const { executions: [work] } = await taking;
    assert.is(work.workflowId, path);
    const events = [{ type: "started" }, { type: "completed", result: path }];
    await call(whole, `/api/executions/${work.executionId}/events`, { epoch: work.epoch, events });
    assert.is(await json(await caller), path);
  }
});

test("what is reported is checked, in order, and for external executions only", async () => {
  await using whole = await openWholeApp();
  const { catalog } = whole;
  const { executionId } = await call(whole, "/api/executions", { workflowId: "w" }, 201);
  const path = `/api/executions/${executionId}/events`;
  assert.is((await call(whole, path, { type: "progress", progress: 1 }, 409)).code, "event_out_of_order");
  for (
    const [body, parameter] of [
      [{ type: "exploded" }, "events/0/type"],
      [{ type: "progress", progress: 101 }, "events/0/progress"],
      [{ type: "started", totalSteps: "3" }, "events/0/totalSteps"],
      [[{ type: "started" }, { type: "failed", error: { message: 1 } }], "events/1/error"],
      [{ events: [] }, "events"],
      [{ type: "started", id: "" }, "events/0/id"],
      [{}, "events"],
    ] as const
  ) {
    const problem = await call(whole, path, body, 400);
    assert.equal([problem.code, problem.parameter.slice(0, parameter.length)], ["invalid_parameter", parameter]);
  }
  assert.is(
    (await call(whole, `/api/executions/${uuidv7()}/events`, { type: "started" }, 404)).code,
    "execution_not_found",
  );
  await catalog.put("plain", chain("plain", []) as Any);
  const ran = await whole.app.request("/webhook/plain", post({}));
  const plain = `/api/executions/${ran.headers.get("execution-id")}/events`;
  assert.is((await call(whole, plain, { type: "started" }, 409)).code, "not_external");
  assert.is((await call(whole, "/api/executions", { workflowId: "a/b" }, 400)).parameter, "workflowId");
  assert.is((await call(whole, "/api/work/take", { count: 0 }, 400)).parameter, "count");
});

test("POST /api/executions with an Idempotency-Key creates one, and its deadline ends what stays silent", async () => {
  await using whole = await openWholeApp();
  const { app } = whole;
  const create = async () =>
    await json(
      await app.request("/api/executions", post({ workflowId: "w", timeoutSeconds: 1 }, { "idempotency-key": "k" })),
    );
  const { executionId } = await create();
  assert.is((await create()).executionId, executionId);
  const result = await app.request(`/api/executions/${executionId}/result`, { headers: { prefer: "wait=30" } });
  assert.is((await json(result)).error.code, "execution_timeout");
  assert.equal(await call(whole, "/api/workflow-state/cleanup", {}), {
    success: true,
    message: "Ended 0 executions that were silent past their deadline",
    cleaned: 0,
    errors: 0,
  });
});

test.run();
