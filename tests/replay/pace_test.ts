import { test } from "uvu";
import * as assert from "uvu/assert";
import { paced } from "../../src/replay/pace.ts";

/** Runs over events at these times with a clock that only waiting, and taking each event, moves. */
async function runAt(times: number[], options: { speed: number; takesMs?: number; stopAfter?: number }) {
  const { speed, takesMs = 0, stopAfter = Infinity } = options;
  const controller = new AbortController();
  let now = 5000;
  const given: { time: number; at: number }[] = [];
  async function* events() {
    for (const time of times) yield await Promise.resolve({ time });
  }
  const wait = (ms: number) => {
    now += ms;
    return Promise.resolve();
  };
  for await (const { time } of paced(events(), { speed, signal: controller.signal, now: () => now, wait })) {
    given.push({ time, at: now - 5000 });
    now += takesMs;
    if (given.length === stopAfter) controller.abort();
  }
  return given;
}

test("paced() gives each event when it came, counted from the first, so many times faster", async () => {
  assert.equal(await runAt([100, 150, 150, 1100], { speed: 1 }), [
    { time: 100, at: 0 },
    { time: 150, at: 50 },
    { time: 150, at: 50 },
    { time: 1100, at: 1000 },
  ]);
  assert.equal((await runAt([100, 1100], { speed: 10 })).map(({ at }) => at), [0, 100]);
  assert.equal((await runAt([100, 1100], { speed: 0.5 })).map(({ at }) => at), [0, 2000]);
  assert.equal((await runAt([100, 1e12], { speed: 0 })).map(({ at }) => at), [0, 0]);
});

test("paced() catches up with its rhythm when events are taken late, and waits for no time that steps back", async () => {
  assert.equal((await runAt([0, 10, 20, 1000], { speed: 1, takesMs: 100 })).map(({ at }) => at), [0, 100, 200, 1000]);
  assert.equal((await runAt([500, 100, 600], { speed: 1 })).map(({ at }) => at), [0, 0, 100]);
});

test("paced() waits for longer than a timer can", async () => {
  const year = 365 * 86_400_000;
  assert.equal((await runAt([0, year], { speed: 1 })).map(({ at }) => at), [0, year]);
});

test("paced() ends when its signal aborts", async () => {
  assert.is((await runAt([1, 2, 3], { speed: 0, stopAfter: 2 })).length, 2);
});

test.run();
