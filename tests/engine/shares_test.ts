// not quick: very many executions
// timeout: 240
/**
 * What one workflow may hold of a worker's places: the rule, and workers whose one workflow's upstream hangs.
 */
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import { mayWait } from "../../src/engine/pace.ts";
import { Shares } from "../../src/engine/shares.ts";
import { pause } from "../../src/lib/delay.ts";
import { drivers } from "../storage/drivers.ts";
import { eventually } from "../support/eventually.ts";
import { watchSignals } from "../support/watched_signals.ts";
import { chainOf, logToEnd, makeBench } from "./bench_of_work.ts";

const { signal } = new AbortController();
const options = { signal: () => signal };

/** What `make` gives, made again where that took so long that a workflow no longer counts as fast. */
function withoutStandstill<T>(make: () => T): T {
  for (;;) {
    const startedAt = performance.now();
    const made = make();
    if (performance.now() - startedAt < 400) return made;
  }
}

test("mayWait() lets wait for what is fast, and for what may yet show that it is", () => {
  const [waiting, expectedMs] = [31, 250];
  assert.is(mayWait({ waiting, expectedMs, endedLastSecond: 0, busyForMs: 100 }), true);
  assert.is(mayWait({ waiting, expectedMs, endedLastSecond: 0, busyForMs: 1000 }), false);
  assert.is(mayWait({ waiting, expectedMs, endedLastSecond: 500, busyForMs: 60_000 }), true);
  assert.is(mayWait({ waiting, expectedMs, endedLastSecond: 20, busyForMs: 60_000 }), false);
  assert.is(mayWait({ waiting: 0, expectedMs, endedLastSecond: 20, busyForMs: 60_000 }), true);
});

test("Shares keeps an eighth of the places from one workflow, and gives its own on in order", async () => {
  const { shares, order, waits } = withoutStandstill(() => {
    const shares = new Shares({ places: 16 });
    for (let n = 0; n < 14; n++) assert.is(shares.enter("a"), true);
    assert.is(shares.enter("a"), false);
    assert.is(shares.enter("b"), true);
    const order: number[] = [];
    const waits = [1, 2].map((n) => shares.wait("a", options).then((backMs) => order.push(backMs ?? n)));
    return { shares, order, waits };
  });
  assert.is(shares.waiting, 2);
  shares.leave("a");
  await waits[0];
  shares.leave("a");
  await waits[1];
  assert.equal(order, [1, 2]);
  assert.equal([shares.enter("a"), shares.waiting], [false, 0]);
});

test("Shares puts back what waited in vain, for longer the more it is", async () => {
  const shares = new Shares({ places: 8 });
  while (shares.enter("a"));
  const first = await shares.wait("a", options);
  assert.is(first, 500);
  const backs: (number | undefined)[] = [];
  for (let n = 0; n < 3000; n++) backs.push(await shares.wait("a", options));
  assert.ok(backs.every((backMs) => backMs! >= 500));
  assert.is(backs.at(-1), 5000);
  const aborting = new AbortController();
  const { stopped, waiting } = withoutStandstill(() => {
    const stopped = new Shares({ places: 8 });
    while (stopped.enter("a"));
    return { stopped, waiting: stopped.wait("a", { signal: () => aborting.signal }) };
  });
  aborting.abort(new Error("stopped"));
  assert.match(await waiting.then(() => "", (error) => error.message), "stopped");
  assert.is(stopped.waiting, 0);
});

test("Shares takes nothing from fewer than eight places", () => {
  for (const places of [1, 4, 7]) {
    const shares = new Shares({ places });
    for (let n = 0; n < places; n++) assert.is(shares.enter("a"), true);
    assert.is(shares.enter("a"), false);
  }
});

test.run();

for (const driver of drivers()) {
  const test = suite(`Workers whose one workflow hangs on ${driver.name}`);

  test("another workflow is answered while 600 callers of one hang, and all of those end in the end", async () => {
    const hanging: (() => void)[] = [];
    let isHanging = true;
    const bench = makeBench({
      hang: () => isHanging ? new Promise((resolve) => hanging.push(() => resolve(1))) : Promise.resolve(1),
      quick: () => Promise.resolve(2),
    });
    bench.define(
      "hangs",
      chainOf([{ id: "call", type: "act", parameters: { name: "hang" } }], { timeoutSeconds: 300 }),
    );
    bench.define("quick", chainOf([{ id: "call", type: "act", parameters: { name: "quick" } }]));
    const store = await driver.open("a");
    const worker = bench.worker(store, "a", 256);
    try {
      worker.start();
      const ids: string[] = [];
      for (let n = 0; n < 600; n++) ids.push(await bench.request(store, "hangs"));
      await eventually(() => hanging.length === 224, "its share is taken");
      for (let n = 0; n < 10; n++) {
        await logToEnd(store, await bench.request(store, "quick"));
        await pause(50);
      }
      assert.is(hanging.length, 224, "no more than its share");
      isHanging = false;
      for (const end of hanging) end();
      const left = new Set(ids);
      await eventually(
        async () => {
          for (const id of left) if ((await store.log.meta(id))?.status === "completed") left.delete(id);
          return left.size === 0;
        },
        "all end",
      );
      for (const id of ids) assert.is(bench.calls.get(`${id}:call`), 1);
      assert.equal(await store.deadLetters.list({ limit: 1 }), { deadLetters: [] });
    } finally {
      await worker.stop();
      await store[Symbol.asyncDispose]();
      await driver.clean();
    }
  });

  test("a workflow alone is not put back while it is fast, and leaves nothing with the worker's signals", async () => {
    using signals = watchSignals();
    const bench = makeBench({ work: () => pause(20).then(() => 1) });
    bench.define("busy", chainOf([{ id: "call", type: "act", parameters: { name: "work" } }]));
    const store = await driver.open("b");
    const { suspend, finish } = store.work;
    const ends: number[] = [];
    let suspended = 0;
    store.work.finish = async (...args) => {
      await finish.apply(store.work, args);
      ends.push(performance.now());
    };
    store.work.suspend = (...args) => {
      // On a machine so slow that fewer end, it is right to put back.
      if (ends.length >= 100 && ends.at(-100)! > performance.now() - 1000) suspended++;
      return suspend.apply(store.work, args);
    };
    const worker = bench.worker(store, "b", 16);
    try {
      const ids: string[] = [];
      for (let n = 0; n < 400; n++) ids.push(await bench.request(store, "busy"));
      worker.start();
      for (const id of ids) await logToEnd(store, id);
      // A machine that stands still for half a second makes fast work look slow; else there is not one.
      assert.ok(suspended <= 100, `${suspended} were put back`);
      assert.ok(signals.most <= 2, `one signal has ${signals.most} that were made of it`);
    } finally {
      await worker.stop();
      await store[Symbol.asyncDispose]();
      await driver.clean();
    }
  });

  test("a worker that stops gives back what waits for a place at once, while what runs goes on", async () => {
    const hanging: (() => void)[] = [];
    const bench = makeBench({ hang: () => new Promise((resolve) => hanging.push(() => resolve(1))) });
    bench.define("hangs", chainOf([{ id: "call", type: "act", parameters: { name: "hang" } }]));
    const store = await driver.open("c");
    const { take, requeue, suspend } = store.work;
    const [taken, givenBack, putBack]: string[][] = [[], [], []];
    store.work.take = async (options) => {
      const claims = await take.call(store.work, options);
      taken!.push(...claims.map(({ executionId }) => executionId));
      return claims;
    };
    store.work.requeue = (claim) => {
      givenBack!.push(claim.executionId);
      return requeue.call(store.work, claim);
    };
    store.work.suspend = (claim, options) => {
      putBack!.push(claim.executionId);
      return suspend.call(store.work, claim, options);
    };
    try {
      // Where this process stands still it is put back before the worker stops: then once more.
      await eventually(async () => {
        for (const list of [hanging, taken!, givenBack!, putBack!]) list.length = 0;
        const ids: string[] = [];
        for (let n = 0; n < 8; n++) ids.push(await bench.request(store, "hangs"));
        const worker = bench.worker(store, "c", 8);
        worker.start();
        await eventually(() => taken!.length >= 8 && hanging.length === 7, "seven run, and one waits");
        const stopped = worker.stop({ graceMs: 600_000 });
        await eventually(() => givenBack!.length + putBack!.length > 0, "the end of its wait");
        const found = givenBack!.length === 1 && putBack!.length === 0;
        for (const end of hanging) end();
        await stopped;
        for (const id of ids) await store.log.cancel(id);
        return found;
      }, "one that is given back");
    } finally {
      await store[Symbol.asyncDispose]();
      await driver.clean();
    }
  });

  test.run();
}
