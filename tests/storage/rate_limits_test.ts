/**
 * The contract of counted calls, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { MemoryRateLimits } from "../../src/storage/memory/rate_limits.ts";
import type { Store } from "../../src/storage/store.ts";
import { drivers, openEach } from "./drivers.ts";

for (const driver of drivers()) {
  const test = suite(`Rate limits on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  test("admit() lets as many through as the limit says, and says when the next may come", async () => {
    const limit = { limit: 2, perSeconds: 600 };
    const [first, second, third] = [
      await store.rateLimits.admit("a", limit),
      await store.rateLimits.admit("a", limit),
      await store.rateLimits.admit("a", limit),
    ];
    assert.equal([first, second, third].map(({ admitted, remaining }) => [admitted, remaining]), [
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    for (const { resetMs } of [first, second, third]) assert.ok(resetMs > 0 && resetMs <= 600_000, String(resetMs));
    assert.is((await store.rateLimits.admit("b", limit)).admitted, true);
    // A limit that was raised, or lowered, counts what came before.
    assert.is((await store.rateLimits.admit("a", { limit: 3, perSeconds: 600 })).admitted, true);
    assert.equal((await store.rateLimits.admit("a", { limit: 1, perSeconds: 600 })).remaining, 0);
  });

  test("admit() never lets more through than the limit in any window, from two stores at once", async () => {
    const other = driver.isShared ? await driver.open("b") : store;
    const [limit, perSeconds] = [5, 1];
    const admitted: { sent: number; answered: number }[] = [];
    try {
      await Promise.all([store, other, store, other].map(async (each) => {
        while (admitted.length <= 2 * limit) {
          const sent = performance.now();
          const { admitted: isIn } = await each.rateLimits.admit("shared", { limit, perSeconds });
          if (isIn) admitted.push({ sent, answered: performance.now() });
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }));
    } finally {
      if (other !== store) await other[Symbol.asyncDispose]();
    }
    // The call was counted between the two times: what was answered within one window of the first one's sending is in it.
    for (const { sent } of admitted) {
      const within = admitted.filter((each) => each.sent >= sent && each.answered < sent + perSeconds * 1000);
      assert.ok(within.length <= limit, `${within.length} calls in a window`);
    }
  });

  test.run();
}

const test = suite("MemoryRateLimits");

test("admit() answers as a list of all times does", () =>
  fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.constantFrom("a", "b")), { maxLength: 60 }),
    async (limit, steps) => {
      let now = 1;
      const limits = new MemoryRateLimits({ now: () => now });
      const all: Record<string, number[]> = { a: [], b: [] };
      for (const [later, name] of steps) {
        now += later;
        const inWindow = all[name]!.filter((time) => time > now - 1000);
        const { admitted, remaining, resetMs } = await limits.admit(name, { limit, perSeconds: 1 });
        assert.is(admitted, inWindow.length < limit);
        if (admitted) all[name]!.push(now);
        const left = all[name]!.filter((time) => time > now - 1000);
        assert.is(remaining, limit - left.length);
        assert.is(resetMs, left[0]! + 1000 - now);
      }
    },
  )));

test.run();
