// timeout: 240
/**
 * The engine over every driver: retries, waits, pauses, deadlines, and workers that go.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Worker } from "../../src/engine/worker.ts";
import type { Store } from "../../src/storage/store.ts";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { pause } from "../../src/lib/delay.ts";
import { eventually } from "../support/eventually.ts";
import { awaitReply, drivers } from "../storage/drivers.ts";
import { type Bench, chainOf, failing, logToEnd, makeBench, typesOf, Wait } from "./bench_of_work.ts";
import { act, defineAll } from "./workflows_of_work.ts";

for (const driver of drivers()) {
  const test = suite(`Worker on ${driver.name}`);
  const gates = new Map<string, () => void>();
  const bench: Bench = makeBench({
    flaky: ({ n }) => n < 3 ? failing("retryable") : Promise.resolve("at last"),
    always: () => failing("retryable"),
    never: () => failing("terminal"),
    dated: ({ n, now }) => n === 1 ? failing("retryable") : Promise.resolve(n === 2 ? new Wait(now + 400) : now),
    one: () => Promise.resolve(1),
    two: () => Promise.resolve(2),
    heavy: () => Promise.resolve("x".repeat(90_000)),
    gate: ({ key, signal }) =>
      new Promise((resolve, reject) => {
        gates.set(key, () => resolve("through"));
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  });
  let store: Store;
  let worker: Worker;

  test.before(async () => {
    store = await driver.open("a", { logLimitBytes: 500_000 });
    worker = bench.worker(store);
    worker.start();
    defineAll(bench);
  });
  test.after(async () => {
    await worker.stop();
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });
  const gate = (id: string) => eventually(() => Promise.resolve(gates.get(`${id}:gate`)), `the gate of ${id}`);
  const statusOf = async (id: string) => (await store.log.meta(id))?.status;

  test("an output holds the outputs before it, and no execution changes what the next one sees", async () => {
    for (let n = 0; n < 2; n++) {
      const id = await bench.request(store, "mirrors");
      const events = await logToEnd(store, id);
      assert.is(events.at(-1)?.type, "execution.completed");
      const outputs = Object.fromEntries(
        events.flatMap((event) => event.type === "node.completed" ? [[event.node, event.data.output]] : []),
      );
      assert.equal(Object.keys(outputs.all as object), ["start", "constant"]);
      assert.equal(Object.keys((outputs.again as { all: object }).all), ["start", "constant", "all"]);
      assert.is(outputs.seen, 1);
      assert.ok(events.some(({ type, node }) => type === "node.failed" && node === "changed"));
    }
  });

  test("a node that fails retryably is tried again until it completes", async () => {
    const events = await logToEnd(store, await bench.request(store, "flaky"));
    assert.equal(typesOf(events).slice(2), [
      "node.started flaky",
      "node.retrying flaky",
      "node.started flaky",
      "node.retrying flaky",
      "node.started flaky",
      "node.completed flaky",
      "execution.completed",
    ]);
    const delays = events.flatMap((event) => event.type === "node.retrying" ? [event.data.delayMs] : []);
    assert.ok(delays[0]! <= 20 && delays[1]! <= 40, `full jitter: ${delays}`);
  });

  test("an attempt that has waited goes on at the time of its start, not at that of the first one", async () => {
    const events = (await logToEnd(store, await bench.request(store, "dated"))).filter(({ node }) => node === "dated");
    assert.is(events.map(({ type }) => type.slice(5)).join(), "started,retrying,started,waiting,completed");
    assert.equal(events[4]!.data, { output: events[2]!.time });
  });

  test("a branch that ends nowhere ends its execution, and its caller is answered", async () => {
    const nowhere = { id: "pick", type: "switch", parameters: { cases: [{ output: "yes", when: false }] } };
    const untaken = { id: "pick", type: "act", parameters: { name: "one" }, onError: "branch" };
    for (const [pick, output] of [[nowhere, "yes"], [untaken, "error"]] as const) {
      bench.define("nowhere", {
        settings: { timeoutSeconds: 300 },
        nodes: [{ id: "start", type: "manual" }, pick, act("two"), act("one")],
        connections: [{ from: "start", to: "pick" }, { from: "pick", output, to: "two" }, { from: "two", to: "one" }],
      });
      const executionId = store.log.makeId({ workflowId: "nowhere", limited: false });
      const reply = awaitReply(store, executionId, { signal: AbortSignal.timeout(60_000) });
      await bench.request(store, "nowhere", { executionId, replyTo: store.replies.instance });
      assert.is((await reply).status, "completed");
      const events = await logToEnd(store, executionId);
      assert.equal(typesOf(events).slice(-3), ["node.skipped two", "node.skipped one", "execution.completed"]);
    }
  });

  test("a node is tried as often as its policy says, and not again when that cannot help", async () => {
    const always = await logToEnd(store, await bench.request(store, "always"));
    assert.is(always.filter(({ type }) => type === "node.started").length, 3);
    assert.is(always.at(-1)!.type, "execution.failed");
    const never = await logToEnd(store, await bench.request(store, "never"));
    assert.is(never.filter(({ type }) => type === "node.started").length, 1);
  });

  test("a long backoff and a long delay leave the worker and come back", async () => {
    const late = await bench.request(store, "late");
    await eventually(async () => (await store.log.read(late)).some(({ type }) => type === "node.waiting"), "the wait");
    await eventually(() => Promise.resolve(worker.running === 0), "nobody holds what only waits");
    const patient = await bench.request(store, "patient");
    const waited = await logToEnd(store, late);
    assert.ok(waited.at(-1)!.time - waited[0]!.time >= 2990, "not before its time");
    assert.is(typesOf(waited).filter((type) => type === "node.started wait").length, 1);
    const events = await logToEnd(store, patient);
    assert.is(events.at(-1)!.type, "execution.completed");
  });

  test("an execution that waits past its deadline ends then, and its caller is answered", async () => {
    const signal = AbortSignal.timeout(60_000);
    const { executionId } = { executionId: store.log.makeId({ workflowId: "short", limited: false }) };
    const reply = awaitReply(store, executionId, { signal });
    await bench.request(store, "short", { executionId, replyTo: store.replies.instance });
    const result = await reply;
    assert.equal([result.status, result.error?.code], ["failed", "execution_timeout"]);
    const events = await logToEnd(store, executionId);
    assert.ok(events.at(-1)!.time - events[0]!.time < 20_000, "long before the wait would be over");
  });

  test("an execution that fails after its early response keeps the response in its result", async () => {
    const executionId = store.log.makeId({ workflowId: "early", limited: false });
    const reply = awaitReply(store, executionId, { signal: AbortSignal.timeout(60_000) });
    await bench.request(store, "early", { executionId, replyTo: store.replies.instance, replyEarly: true });
    const response = { status: 201, headers: {}, body: "early" };
    assert.equal((await reply).response, response);
    const marked = (await logToEnd(store, executionId)).filter(({ data }) => "responds" in (data as object));
    assert.equal(typesOf(marked), ["node.completed reply"]);
    const result = await store.log.result(executionId);
    assert.equal([result?.status, result?.error?.code, result?.response], ["failed", "wrong", response]);
  });

  test("a node's own time also ends a wait that is longer, and a retry after it starts anew", async () => {
    const events = await logToEnd(store, await bench.request(store, "hurried"));
    assert.equal(typesOf(events).slice(2), [
      "node.started wait",
      "node.retrying wait",
      "node.started wait",
      "node.failed wait",
      "execution.failed",
    ]);
    const failed = events.find((event) => event.type === "node.failed");
    assert.is(failed?.type === "node.failed" && failed.data.error.code, "node_timeout");
  });

  test("pause lets the running node end and starts none; resume goes on", async () => {
    const id = await bench.request(store, "gated");
    const open = await gate(id);
    assert.is(await store.log.pause(id), "done");
    assert.is(await statusOf(id), "paused");
    await pause(20);
    open();
    await eventually(async () => typesOf(await store.log.read(id)).includes("node.completed gate"), "the node's end");
    await pause(300);
    assert.not.ok(bench.calls.has(`${id}:two`), "no node starts in a pause");
    await eventually(() => worker.running === 0, "a paused execution is held by nobody");
    assert.is(await store.log.resume(id), "done");
    const events = await logToEnd(store, id);
    assert.is(events.at(-1)!.type, "execution.completed");
    assert.is(bench.calls.get(`${id}:gate`), 1);
    assert.is(bench.calls.get(`${id}:two`), 1);
  });

  test("resume before the running node ends leaves no trace but its events", async () => {
    const id = await bench.request(store, "gated");
    const open = await gate(id);
    assert.is(await store.log.pause(id), "done");
    assert.is(await store.log.resume(id), "done");
    open();
    const events = await logToEnd(store, id);
    assert.is(typesOf(events).filter((type) => type === "execution.started").length, 1);
    assert.is(bench.calls.get(`${id}:two`), 1);
  });

  test("cancel aborts the running node", async () => {
    const id = await bench.request(store, "gated");
    await gate(id);
    assert.is(await store.log.cancel(id), true);
    await eventually(() => Promise.resolve(worker.running === 0), "the node's end");
    assert.is((await logToEnd(store, id)).at(-1)!.type, "execution.cancelled");
  });

  test("a worker that is stopped requeues at once what runs, and another goes on where it was", async () => {
    await worker.stop();
    const first = bench.worker(store, "first");
    first.start();
    bench.define("long", chainOf([act("one"), act("gate"), act("two")], { timeoutSeconds: 30 }));
    const id = await bench.request(store, "long");
    await gate(id);
    gates.clear();
    await first.stop();
    worker = bench.worker(store, "second");
    worker.start();
    (await gate(id))();
    const events = await logToEnd(store, id);
    assert.is(bench.calls.get(`${id}:one`), 1, "what had completed is not run again");
    assert.is(bench.calls.get(`${id}:gate`), 2);
    const epochs = events.flatMap((event) => event.type === "execution.started" ? [event.data.epoch] : []);
    assert.equal(epochs, [1, 2]);
  });

  test("an execution gets its workflow's slot when the one before it has ended", async () => {
    const concurrency = { limit: 1, onOverlap: "queue" } as const;
    const ask = () => {
      const executionId = store.log.makeId({ workflowId: "limited", limited: true });
      return bench.request(store, "limited", { executionId, concurrency });
    };
    const ids = [await ask(), await ask(), await ask()];
    for (const [n, id] of ids.entries()) {
      const open = await gate(id);
      assert.is(worker.running, 1, "one at a time");
      for (const later of ids.slice(n + 1)) assert.is(await statusOf(later), "pending");
      open();
      assert.is((await logToEnd(store, id)).at(-1)!.type, "execution.completed");
    }
  });

  for (const kind of ["act", "effect"]) {
    test(`a log that grows past its limit ends its execution with log_limit, where ${kind}s made it`, async () => {
      const signal = AbortSignal.timeout(60_000);
      for (const [id, status, code] of [["less heavy", "completed", undefined], ["heavy", "failed", "log_limit"]]) {
        const executionId = uuidv7();
        const reply = awaitReply(store, executionId, { signal });
        await bench.request(store, `${id} ${kind}`, { executionId, replyTo: store.replies.instance });
        const result = await reply;
        assert.equal([result.status, result.error?.code], [status, code]);
        assert.equal(await store.log.result(executionId), result);
        const events = await logToEnd(store, executionId);
        const bytes = events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
        assert.ok(bytes < 501_000, `${bytes} bytes`);
      }
    });
  }

  test.run();
}
