import { test } from "uvu";
import * as assert from "uvu/assert";

import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { finish, json, request, taken, withApp } from "../harness.ts";

/** Waits until an execution has ended. */
async function ended(store: Parameters<typeof request>[0], id: string): Promise<void> {
  while (!await store.log.result(id)) await new Promise((resolve) => setTimeout(resolve));
}

test("/api/executions/<id> answers an id that is none with 400 and an unknown one with 404, on every path", () =>
  withApp({}, async ({ app }) => {
    const gets = ["", "/result", "/events"].map((path) => [path, "GET"] as const);
    const posts = ["/cancel", "/pause", "/resume"].map((path) => [path, "POST"] as const);
    for (const [path, method] of [...gets, ...posts]) {
      for (const id of ["x", "1", `${uuidv7()}x`, crypto.randomUUID()]) {
        const response = await app.request(`/api/executions/${id}${path}`, { method });
        assert.is(response.status, 400, path);
        assert.is((await json(response)).code, "invalid_execution_id");
      }
      const unknown = await app.request(`/api/executions/${uuidv7()}${path}`, { method });
      assert.is(unknown.status, 404, path);
      assert.is((await json(unknown)).code, "execution_not_found");
    }
  }));

test("GET /api/executions/<id> answers with the folded state", () =>
  withApp({}, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    await ended(store, id);
    const state = await json(await app.request(`/api/executions/${id.toUpperCase()}`));
    assert.is(state.executionId, id);
    assert.is(state.workflowId, "hooked");
    assert.is(state.status, "completed");
    assert.is(state.progress, 100);
    assert.is(state.nodes.hook.status, "completed");
  }));

test("GET .../result answers 202 while the execution runs, then 200", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const running = await app.request(`/api/executions/${id}/result`);
    assert.is(running.status, 202);
    assert.is((await json(running)).executionId, id);
    assert.is(running.headers.get("retry-after"), "1");
    await finish(store, claims[0]!, { status: "completed", output: 7 });
    const done = await app.request(`/api/executions/${id}/result`);
    assert.is(done.status, 200);
    assert.equal(await json(done), { executionId: id, status: "completed", output: 7 });
  }));

test("GET .../result waits for the end when that is preferred", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const get = (prefer: string) => app.request(`/api/executions/${id}/result`, { headers: { prefer } });
    const tooShort = await get("wait=1");
    assert.is(tooShort.status, 202);
    assert.is(tooShort.headers.get("preference-applied"), "wait=1");
    const waiting = get("wait=60");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await finish(store, claims[0]!, { status: "completed", output: 7 });
    const response = await waiting;
    assert.is(response.status, 200);
    assert.is((await json(response)).output, 7);
  }));

test("GET .../result answers 404 result_not_found once the result has expired", () =>
  withApp({}, async ({ app, store }) => {
    const id = uuidv7();
    await request(store, id);
    await ended(store, id);
    store.log.result = () => Promise.resolve(undefined);
    const response = await app.request(`/api/executions/${id}/result`);
    assert.is(response.status, 404);
    assert.is((await json(response)).code, "result_not_found");
  }));

test("POST .../cancel ends the execution, and answers 409 when it had ended", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const cancel = () => app.request(`/api/executions/${id}/cancel`, { method: "POST" });
    const response = await cancel();
    assert.is(response.status, 200);
    assert.equal(await json(response), { executionId: id, status: "cancelled" });
    assert.is((await store.log.meta(id))!.status, "cancelled");
    const again = await cancel();
    assert.is(again.status, 409);
    assert.is((await json(again)).code, "execution_ended");
  }));

test("POST .../pause and .../resume answer with the status, alike when repeated, and 409 when it had ended", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const send = async (action: string) => {
      const response = await app.request(`/api/executions/${id}/${action}`, { method: "POST" });
      return [response.status, await json(response)] as const;
    };
    assert.equal(await send("resume"), [200, { executionId: id, status: (await store.log.meta(id))!.status }]);
    for (let time = 0; time < 2; time++) {
      assert.equal(await send("pause"), [200, { executionId: id, status: "paused" }]);
      assert.is((await store.log.meta(id))!.status, "paused");
    }
    for (let time = 0; time < 2; time++) {
      assert.equal(await send("resume"), [200, { executionId: id, status: "running" }]);
    }
    const types = (await store.log.read(id)).map(({ type }) => type);
    assert.equal(types.slice(1), ["execution.paused", "execution.resumed"]);

    await store.log.cancel(id);
    for (const action of ["pause", "resume"]) {
      const [status, problem] = await send(action);
      assert.is(status, 409);
      assert.is(problem.code, "execution_ended");
      assert.is(problem.executionStatus, "cancelled");
    }
  }));

test("GET /api/executions/<id> shows which nodes wait, and until when", () =>
  withApp({ work: () => "hold" }, async ({ app, store, claims }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const time = Date.now();
    await store.work.append(claims[0]!, {
      sequence: claims[0]!.sequence,
      events: [
        { type: "node.started", time, node: "nap", data: { attempt: 1 } },
        { type: "node.waiting", time, node: "nap", data: { until: time + 60_000 } },
      ],
    });
    const state = await json(await app.request(`/api/executions/${id}`));
    assert.is(state.currentStep, "nap");
    assert.equal(state.nodes.nap, { status: "waiting", attempts: 1, startedAt: time, dueAt: time + 60_000 });
  }));

test("GET /api/executions validates its filters and hands them on", () =>
  withApp({}, async ({ app, store }) => {
    const seen: unknown[] = [];
    store.projections.list = (options) => {
      seen.push(options);
      return Promise.resolve({ executions: [], nextCursor: "next" });
    };
    const cursor = uuidv7();
    const page = await app.request(`/api/executions?workflow=w&status=failed&limit=500&cursor=${cursor}`);
    assert.equal(await json(page), { executions: [], nextCursor: "next" });
    await app.request("/api/executions");
    await app.request(`/api/executions?workflow=import:${cursor}`);
    assert.equal(seen, [
      { workflowId: "w", status: "failed", limit: 500, cursor },
      { limit: 50 },
      { workflowId: `import:${cursor}`, limit: 50 },
    ]);
    const workflows = ["workflow=", "workflow=%00", "workflow=a/b", "workflow=import:"];
    for (const query of ["limit=0", "limit=501", "limit=", "status=done", "status=", "cursor=x", ...workflows]) {
      const response = await app.request(`/api/executions?${query}`);
      assert.is(response.status, 400, query);
      assert.is((await json(response)).code, "invalid_parameter");
    }
    assert.is(seen.length, 3);
  }));

test.run();
