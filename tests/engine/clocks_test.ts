// not quick: clocks are set while it waits
// timeout: 240
/**
 * The engine on machines whose clocks are wrong, over every driver. Clocks are a minute off and waits take seconds, so
 * that a machine that is slow is never mistaken for a clock that is wrong.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Worker } from "../../src/engine/worker.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers } from "../storage/drivers.ts";
import { withMovedDate } from "../support/moved_date.ts";
import { type Bench, chainOf, failing, logToEnd, makeBench, typesOf } from "./bench_of_work.ts";

const MINUTE_MS = 60_000;
const act = (id: string, more: object = {}) => ({ id, type: "act", parameters: { name: id }, ...more });
const delay = (seconds: number) => ({ id: "wait", type: "delay", parameters: { seconds } });
const reply = (id: string) => ({ id, type: "httpResponse", parameters: { body: id } });

for (const driver of drivers()) {
  const test = suite(`Workers with wrong clocks on ${driver.name}`);
  const bench: Bench = makeBench({
    one: () => Promise.resolve(1),
    flaky: ({ n }) => n < 3 ? failing("retryable") : Promise.resolve("at last"),
    hangs: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  let store: Store;

  test.before(async () => {
    store = await driver.open("a", { leaseSeconds: 3 });
    bench.define("pure", chainOf([act("one")], { timeoutSeconds: 30 }));
    bench.define("hangs", chainOf([act("hangs")], { timeoutSeconds: 2 }));
    bench.define("hurried", chainOf([{ ...delay(3), timeoutSeconds: 30 }], { timeoutSeconds: 2 }));
    bench.define("waits", chainOf([reply("first"), delay(3), reply("second")], { timeoutSeconds: 300 }));
    const retry = { maxAttempts: 3, backoffMs: 1000, maxBackoffMs: 1000 };
    bench.define("retries", chainOf([act("flaky", { retry })], { timeoutSeconds: 300 }));
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  /** Does the work beside a worker whose clock is off by so much from its start on. */
  const withWorker = (offMs: number, work: (worker: Worker) => Promise<void>) =>
    withMovedDate(offMs, async () => {
      const worker = bench.worker(store, `off by ${offMs}`);
      worker.start();
      try {
        await work(worker);
      } finally {
        await worker.stop();
      }
    });

  test("a worker that is ahead fails nothing for its time", async () => {
    const id = await bench.request(store, "pure");
    await withWorker(MINUTE_MS, async () => {
      assert.is((await logToEnd(store, id)).at(-1)!.type, "execution.completed");
    });
  });

  test("a worker that is behind ends what runs too long at its time, while it runs and while it waits", async () => {
    const startedAt = performance.now();
    const ids = await Promise.all(["hangs", "hurried"].map((workflow) => bench.request(store, workflow)));
    await withWorker(-MINUTE_MS, async () => {
      await Promise.all(ids.map(async (id) => {
        const last = (await logToEnd(store, id)).at(-1)!;
        assert.is(last.type === "execution.failed" && last.data.error.code, "execution_timeout");
        const tookMs = performance.now() - startedAt;
        assert.ok(tookMs >= 1950 && tookMs < 2000 + MINUTE_MS / 2, `it took ${tookMs} ms`);
      }));
    });
  });

  test("a delay takes its time between workers whose clocks are far apart", async () => {
    for (const [one, other] of [[MINUTE_MS, -MINUTE_MS], [-MINUTE_MS, MINUTE_MS]] as const) {
      const startedAt = performance.now();
      const id = await bench.request(store, "waits");
      await withWorker(one, async () => {
        await eventually(async () => typesOf(await store.log.read(id)).includes("node.waiting wait"), "the wait");
      });
      await withWorker(other, async () => {
        const events = await logToEnd(store, id);
        const tookMs = performance.now() - startedAt;
        assert.ok(tookMs >= 2950 && tookMs < 3000 + MINUTE_MS / 2, `it took ${tookMs} ms`);
        assert.is(events.at(-1)!.type, "execution.completed");
        // What an execution answers does not depend on which of its workers' clocks is ahead.
        assert.equal((await store.log.result(id))?.response?.body, "second");
        const times = events.map(({ time }) => time);
        assert.equal(times, [...times].sort((a, b) => a - b), "times grow along a log");
      });
    }
  });

  test("a clock that steps while an execution runs moves neither its deadline nor its retries", async () => {
    for (const offMs of [MINUTE_MS, -MINUTE_MS]) {
      const worker = bench.worker(store);
      worker.start();
      const startedAt = performance.now();
      const hangs = await bench.request(store, "hangs");
      const retries = await bench.request(store, "retries");
      // A worker that was too slow to start it has ended it.
      const begun = ["node.started hangs", "execution.failed"];
      await eventually(
        async () => typesOf(await store.log.read(hangs)).some((type) => begun.includes(type)),
        "the start",
      );
      await withMovedDate(offMs, async () => {
        const [first, second] = await Promise.all([logToEnd(store, hangs), logToEnd(store, retries)]);
        assert.equal([first.at(-1)!.type, second.at(-1)!.type], ["execution.failed", "execution.completed"]);
        const tookMs = performance.now() - startedAt;
        assert.ok(tookMs >= 1950 && tookMs < 2000 + MINUTE_MS / 2, `it took ${tookMs} ms`);
        await worker.stop();
      });
    }
  });

  test("ids that processes make whose clocks are apart sort as they were made", async () => {
    const ids: string[] = [];
    const makeId = () => Promise.resolve(ids.push(store.log.makeId({ workflowId: "pure", limited: true })));
    for (const offMs of [0, MINUTE_MS, 0, -MINUTE_MS]) await withMovedDate(offMs, makeId);
    assert.equal([...ids].sort(), ids);
    const madeAt = ids.map((id) => parseInt(id.replaceAll("-", "").slice(0, 12), 16));
    assert.ok(madeAt[3]! - madeAt[0]! < MINUTE_MS / 2, "none runs ahead of the store's time");
  });

  test.run();
}
