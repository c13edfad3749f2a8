/**
 * What nodes report of themselves: thinned out on its way, in the log before their ends, and in what is told from it.
 */
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import { ProgressReports, SPACING_MS } from "../../src/engine/progress_reports.ts";
import type { Worker } from "../../src/engine/worker.ts";
import { progressOf } from "../../src/execution/progress.ts";
import { applyEvent, emptyState } from "../../src/execution/state.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import type { Store } from "../../src/storage/store.ts";
import { pause } from "../../src/lib/delay.ts";
import { drivers } from "../storage/drivers.ts";
import { type Bench, chainOf, failing, logToEnd, makeBench } from "./bench_of_work.ts";

/** An execution of which another program says what it says. */
const external = (...events: object[]) => {
  const state = emptyState();
  const data = { workflowId: "w", version: 1, trigger: "external", input: null };
  for (const [time, event] of [{ type: "execution.requested", data }, ...events].entries()) {
    applyEvent(state, { time, ...event } as LogEvent);
  }
  return state;
};

/** What was written, and when. */
function reports() {
  const written: { report: JsonObject; at: number }[] = [];
  const it = new ProgressReports((report) => written.push({ report, at: performance.now() }));
  return { it, written, all: () => written.map(({ report }) => report) };
}

test("ten thousand reports at once are two entries: the first, and the last before the end", () => {
  const { it, all } = reports();
  const startedAt = performance.now();
  for (let n = 0; n < 10_000; n++) it.take({ percent: n / 100, data: { n } });
  it.end();
  it.take({ percent: 100 });
  const written = all();
  assert.equal([written[0], written.at(-1)], [{ percent: 0, data: { n: 0 } }, { percent: 99.99, data: { n: 9_999 } }]);
  // Where the machine stands still between two of them there is one more.
  assert.ok(written.length <= 2 + (performance.now() - startedAt) / SPACING_MS, `${written.length} entries`);
});

test("reports over time stand so far apart at least, and the newest one comes without an end", async () => {
  const { it, written, all } = reports();
  const until = performance.now() + 3.5 * SPACING_MS;
  let n = 0;
  do {
    it.take({ data: n++ });
    await pause(1);
  } while (performance.now() < until);
  while (all().at(-1)!["data"] !== n - 1) await pause(5);
  for (const [i, { at }] of written.entries()) {
    // Timers may come a millisecond early.
    if (i > 0) assert.ok(at - written[i - 1]!.at >= SPACING_MS - 2, `${at - written[i - 1]!.at} ms apart`);
  }
  it.end();
  assert.is(all().at(-1)!["data"], n - 1);
});

test("a report is what it was when it was written, in its bounds, and JSON", () => {
  const cases: [unknown, JsonValue | undefined][] = [
    [{ percent: -1 }, { percent: 0 }],
    [{ percent: Infinity, data: null }, { percent: 100, data: null }],
    [{ percent: NaN }, undefined],
    [{ percent: "50" }, undefined],
    [{}, undefined],
    [{ data: undefined }, undefined],
    [{ data: 1n }, { data: null }],
    [{ data: "x".repeat(20_000) }, { data: null }],
    [{ percent: 1, data: JSON.parse('{"__proto__":1}') }, { percent: 1, data: JSON.parse('{"__proto__":1}') }],
  ];
  for (const [given, expected] of cases) {
    const { it, all } = reports();
    it.take(given as never);
    it.end();
    assert.is(JSON.stringify(all()), JSON.stringify(expected === undefined ? [] : [expected]));
  }
  const { it, all } = reports();
  const data = { n: 1 };
  it.take({ data });
  data.n = 2;
  assert.equal(all(), [{ data: { n: 1 } }]);
});

test("a percentage moves progress and estimate, and counts for its own attempt alone", () => {
  const state = emptyState();
  const apply = (event: object) => applyEvent(state, event as LogEvent);
  const told = (at: number) => progressOf(state, { steps: 3, at });
  apply({ type: "execution.requested", time: 0, data: { workflowId: "w", version: 1, trigger: "start", input: null } });
  apply({ type: "execution.started", time: 0, data: { epoch: 1, worker: "w" } });
  apply({ type: "node.started", time: 0, node: "a", data: { attempt: 1 } });
  assert.is(told(0).estimatedCompletion, undefined);
  apply({ type: "node.progress", time: 100, node: "a", data: { percent: 50 } });
  // A quarter of what comes after the trigger took 100 ms.
  assert.equal([told(100).progress, told(100).estimatedCompletion], [50, 400]);
  apply({ type: "node.progress", time: 100, node: "a", data: { data: { rows: 1 } } });
  assert.equal([state.nodes.get("a")!.percent, state.data], [50, { rows: 1 }]);
  const error = { code: "busy", message: "It is busy" };
  apply({ type: "node.retrying", time: 110, node: "a", data: { error, attempt: 1, delayMs: 1, retryAt: 111 } });
  assert.is(told(110).progress, 33);
  apply({ type: "node.started", time: 111, node: "a", data: { attempt: 2 } });
  apply({ type: "node.progress", time: 120, node: "a", data: { percent: 10 } });
  assert.is(told(120).progress, 36);
  apply({ type: "node.completed", time: 130, node: "a", data: { output: 1 } });
  assert.equal([told(130).progress, state.nodes.get("a")!.percent], [66, undefined]);
});

test("nothing is told of an end that nobody knows", () => {
  const started = (more: object = {}) => ({ type: "execution.started", data: { epoch: 1, worker: "w", ...more } });
  const progress = (data: object) => ({ type: "execution.progress", data });
  const cases: [object[], object][] = [
    [[], { progress: 0, totalSteps: 1, completedSteps: 0 }],
    [[started()], { progress: 0, totalSteps: 1, completedSteps: 0 }],
    [[started(), progress({ completedSteps: 7 })], { progress: 0, totalSteps: 7, completedSteps: 7 }],
    [[started({ totalSteps: 4 })], { progress: 0, totalSteps: 4, completedSteps: 0 }],
    [[started(), progress({ percent: 40 })], { progress: 40, totalSteps: 1, completedSteps: 0 }],
  ];
  for (const [events, expected] of cases) {
    const { progress, totalSteps, completedSteps, estimatedCompletion } = progressOf(external(...events), { at: 10 });
    assert.equal({ progress, totalSteps, completedSteps }, expected);
    assert.is(estimatedCompletion === undefined, progress === 0);
  }
});

test.run();

for (const driver of drivers()) {
  const test = suite(`Node progress on ${driver.name}`);
  const seen = new Map<string, (value: unknown) => void>();
  const bench: Bench = makeBench({
    busy: ({ progress }) => {
      for (let n = 1; n <= 10_000; n++) progress({ percent: n / 100, data: { n } });
      return Promise.resolve("done");
    },
    long: async ({ progress, key, signal }) => {
      progress({ percent: 50, data: "halfway" });
      await new Promise((resolve, reject) => {
        seen.set(key, resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      return "done";
    },
    fails: ({ progress }) => {
      progress({ percent: 10 });
      progress({ percent: 20 });
      failing("terminal");
    },
    late: ({ progress }) => {
      setTimeout(() => progress({ percent: 99 }), 1);
      return Promise.resolve("done");
    },
    brief: () => pause(20).then(() => 1),
  });
  let store: Store;
  let worker: Worker;

  test.before(async () => {
    store = await driver.open("a");
    worker = bench.worker(store);
    worker.start();
    const node = (name: string) => ({ id: name, type: name === "busy" ? "effect" : "act", parameters: { name } });
    for (const name of ["busy", "long", "fails"]) bench.define(name, chainOf([node(name)], { timeoutSeconds: 60 }));
    bench.define("late", chainOf([node("late"), node("brief")], { timeoutSeconds: 60 }));
    bench.define(
      "wait",
      chainOf([{ id: "wait", type: "delay", parameters: { seconds: 1.2 } }], { timeoutSeconds: 60 }),
    );
  });
  test.after(async () => {
    await worker.stop();
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });
  const progressIn = (events: readonly LogEvent[]) =>
    events.flatMap(({ type, data }) => type === "node.progress" ? [data] : []);

  test("a node that reports ten thousand times writes few entries, the last one before its end", async () => {
    const events = await logToEnd(store, await bench.request(store, "busy"));
    assert.equal(events.slice(-2).map(({ type }) => type), ["node.completed", "execution.completed"]);
    assert.equal(events.at(-3)!.data, { percent: 100, data: { n: 10_000 } });
    const reports = progressIn(events);
    const tookMs = events.at(-2)!.time - events[2]!.time;
    assert.ok(reports.length >= 2 && reports.length <= 3 + tookMs / SPACING_MS, `${reports.length} in ${tookMs} ms`);
  });

  test("a report is in the log while its node runs", async () => {
    const id = await bench.request(store, "long");
    const { signal } = new AbortController();
    for await (const event of store.log.tail(id, { signal })) {
      if (event.type !== "node.progress") continue;
      assert.equal([event.node, event.data], ["long", { percent: 50, data: "halfway" }]);
      seen.get(`${id}:long`)!(1);
      break;
    }
    assert.is(progressIn(await logToEnd(store, id)).length, 1);
  });

  test("a node that fails has reported before it, and one that has ended reports no more", async () => {
    const failed = await logToEnd(store, await bench.request(store, "fails"));
    assert.equal(progressIn(failed), [{ percent: 10 }, { percent: 20 }]);
    assert.is(failed.at(-2)!.type, "node.failed");
    assert.equal(progressIn(await logToEnd(store, await bench.request(store, "late"))), []);
  });

  test("a delay that waits in its worker says how far it is", async () => {
    const [first, ...more] = progressIn(await logToEnd(store, await bench.request(store, "wait"))) as {
      percent: number;
    }[];
    assert.ok(first!.percent > 40, String(first?.percent));
    for (const { percent } of more) assert.ok(percent > first!.percent && percent <= 100, String(percent));
  });

  test.run();
}
