import { test } from "uvu";
import * as assert from "uvu/assert";
import { rebuild } from "../../../src/cli/rebuild.ts";
import { Assembler } from "../../../src/feed/assembler.ts";
import { dayOf } from "../../../src/feed/statistics.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import type { LogEvent } from "../../../src/execution/event.ts";
import { eventually } from "../../support/eventually.ts";
import { finish, type Harness, json, request, taken, withApp } from "../harness.ts";

const hold = { work: () => "hold" as const };

/** Requests an execution, and appends these events to it. */
async function start({ store, claims }: Harness, ...events: LogEvent[]): Promise<string> {
  const id = uuidv7();
  const count = claims.length;
  await request(store, id);
  await taken(claims, count + 1);
  if (events.length > 0) await store.work.append(claims[count]!, { sequence: 1, events });
  return id;
}

const started = (time: number): LogEvent => ({ type: "execution.started", time, data: { epoch: 1, worker: "w" } });

test("GET /api/workflow-state/<id> answers how far an execution is, before any assembler came", () =>
  withApp(hold, async (harness) => {
    const { app } = harness;
    const time = Date.now();
    const id = await start(
      harness,
      started(time),
      { type: "node.started", time: time + 10, node: "a", data: { attempt: 1 } },
      { type: "node.completed", time: time + 100, node: "a", data: { output: 1 } },
      { type: "node.started", time: time + 100, node: "b", data: { attempt: 1 } },
      { type: "node.progress", time: time + 150, node: "b", data: { percent: 50, data: { rows: 7 } } },
    );
    assert.equal(await json(await app.request(`/api/workflow-state/${id}`)), {
      success: true,
      state: {
        executionId: id,
        workflowId: "hooked",
        status: "running",
        // The trigger, a, and half of b, of three.
        progress: 83,
        currentStep: "b",
        totalSteps: 3,
        completedSteps: 2,
        // One and a half of two steps took 150 ms.
        estimatedCompletion: time + 200,
        data: { rows: 7 },
        startedAt: time,
        updatedAt: time + 150,
      },
    });
  }));

test("GET /api/workflow-state/<id> answers the same from the assembler's document, and is never behind the log", () =>
  withApp(hold, async (harness) => {
    const { app, store, claims } = harness;
    const state = async () => (await json(await app.request(`/api/workflow-state/${id}`))).state;
    const id = await start(harness, started(Date.now()));
    const folded = await state();
    const assembler = new Assembler({ ...store, workflows: { get: () => Promise.resolve(undefined) } });
    assembler.start();
    await eventually(async () => await store.projections.progress(id) !== undefined, "the document");
    assert.equal(await state(), folded);
    await assembler.stop();
    const error = { code: "broken", message: "It broke", node: "a" };
    await finish(store, { ...claims[0]!, sequence: 2 }, { status: "failed", error });
    assert.is((await store.projections.progress(id))!.document.status, "running");
    const { status, error: shown, currentStep } = await state();
    assert.equal([status, shown, currentStep], ["failed", error, null]);
  }));

test("GET /api/workflow-state/<id> answers 400 and 404 to what is no execution", () =>
  withApp(hold, async ({ app }) => {
    const get = async (path: string) => {
      const response = await app.request(`/api/workflow-state/${path}`);
      return [response.status, (await json(response)).code];
    };
    assert.equal(await get("x"), [400, "invalid_execution_id"]);
    assert.equal(await get(uuidv7()), [404, "execution_not_found"]);
  }));

test("active and statistics have the shapes of the contract; paused counts as running", () =>
  withApp(hold, async (harness) => {
    const { app, store, claims } = harness;
    const get = async (path: string) => await json(await app.request(`/api/workflow-state/${path}`));
    assert.equal(await get("active/list"), { success: true, activeExecutions: [], count: 0 });
    assert.equal((await get("stats/overview")).statistics, {
      activeExecutions: 0,
      executionsByStatus: { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 },
      averageProgress: 0,
    });
    const pending = await start(harness);
    const progress = { type: "execution.progress", time: Date.now(), data: { percent: 50 } } as const;
    const running = await start(harness, started(Date.now()), progress);
    const paused = await start(harness, started(Date.now()));
    await store.log.pause(paused);
    const done = await start(harness);
    await finish(store, claims[3]!, { status: "completed", output: 1 });
    const active = [paused, running, pending];
    assert.equal(await get("active/list"), { success: true, activeExecutions: active, count: 3 });
    const detailed = await get("active/detailed");
    assert.is(detailed.count, 3);
    assert.equal(
      // deno-lint-ignore no-explicit-any
      detailed.workflows.map(({ executionId, status, progress, currentStep }: any) => [
        ...[executionId, status, progress, currentStep],
      ]),
      [[paused, "running", 0, null], [running, "running", 50, null], [pending, "pending", 0, null]],
    );
    assert.equal(await get("stats/overview"), {
      success: true,
      statistics: {
        activeExecutions: 3,
        executionsByStatus: { pending: 1, running: 2, completed: 1, failed: 0, cancelled: 0 },
        averageProgress: 16.67,
      },
    });
    assert.is((await get(done)).state.progress, 100);
  }));

test("POST /api/workflow-state/cleanup looks at the oldest, where more are active than it looks at", () =>
  withApp(hold, async (harness) => {
    const { app, store } = harness;
    const ids = [await start(harness), await start(harness), await start(harness)];
    const active = store.statistics.active.bind(store.statistics);
    store.statistics.active = (options) => active({ ...options, limit: 2 });
    const looked: string[] = [];
    store.external.endLapsed = (id) => {
      looked.push(id);
      return Promise.resolve("ended");
    };
    const response = await app.request("/api/workflow-state/cleanup", { method: "POST" });
    assert.is((await json(response)).cleaned, 2);
    assert.equal(looked, ids.slice(0, 2));
  }));

test("GET /api/stats/workflows/<id> answers what became of a workflow's executions, day by day", () =>
  withApp(hold, async (harness) => {
    const { app, store, claims } = harness;
    const id = await start(harness);
    await finish(store, claims[0]!, { status: "completed", output: 1 });
    // It is asked on the day on which that ended, at midnight too.
    const endedAt = (await store.log.meta(id))!.endedAt!;
    Object.assign(store, { clock: { now: () => endedAt } });
    const { signal } = new AbortController();
    await store.projections.applyFeed(await store.projections.takeFeed({ count: 10, blockMs: 100, signal }));
    const { days } = await json(await app.request("/api/stats/workflows/hooked?days=2"));
    // deno-lint-ignore no-explicit-any
    assert.equal(days.map(({ day, completed, failed }: any) => [day, completed, failed]), [
      [dayOf(endedAt - 86_400_000), 0, 0],
      [dayOf(endedAt), 1, 0],
    ]);
    const { buckets, p50Ms, meanMs } = days[1].duration;
    // deno-lint-ignore no-explicit-any
    assert.is(buckets.reduce((sum: number, { count }: any) => sum + count, 0), 1);
    assert.ok(meanMs <= p50Ms);
    assert.is((await app.request("/api/stats/workflows/hooked?days=36")).status, 400);
  }));

test("millrace rebuild makes everything anew over HTTP, and draws how far it is", () =>
  withApp(hold, async (harness) => {
    const { app, store } = harness;
    const ids = [await start(harness), await start(harness)];
    let [lines, drawn] = ["", ""];
    const code = await rebuild.run([], {
      env: {},
      print: (line) => lines += line,
      printError: (line) => lines += line,
      fetch: (url, init) => Promise.resolve(app.request(new URL(url).pathname, init)),
      terminal: { columns: () => 80, write: (text) => drawn += text },
    });
    assert.equal([code, lines], [0, "Rebuilt from 2 executions"]);
    assert.match(drawn, /█{40} 100 %/);
    const { executions } = await store.projections.list({ limit: 10 });
    assert.equal(executions.map(({ executionId }) => executionId), ids.reverse());
  }));

test.run();
