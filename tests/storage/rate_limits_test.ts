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

  test("turn() lets through in the order of the tickets, and says when each will probably be", async () => {
    const limit = { limit: 2, perSeconds: 600 };
    const turn = (ticket: string) => store.rateLimits.turn("a", limit, ticket);
    for (const ticket of ["1", "2"]) assert.equal(await turn(ticket), { admitted: true, waitMs: 0 });
    const waits: number[] = [];
    for (const ticket of ["3", "4", "5", "3", "6"]) {
      const { admitted, waitMs } = await turn(ticket);
      assert.is(admitted, false);
      waits.push(waitMs);
    }
    // Two leave the window with it, and those behind them a window later; who asks again has the place that it had.
    const windows = waits.map((waitMs) => Math.ceil(waitMs / 600_000));
    assert.equal(windows, [1, 1, 2, 1, 2]);
    assert.is((await store.rateLimits.turn("b", limit, "3")).admitted, true);
  });

  test("turn() that keeps no place leaves nobody behind it, and goes before nobody", async () => {
    const limit = { limit: 1, perSeconds: 600 };
    const turn = async (ticket: string, options?: { keepsPlace: boolean }) => {
      const { admitted, waitMs } = await store.rateLimits.turn("a", limit, ticket, options);
      return admitted ? 0 : Math.ceil(waitMs / 600_000);
    };
    const passing = { keepsPlace: false };
    assert.is(await turn("1", passing), 0);
    // The windows until each may go: who has no place is told when it would be its turn, and stands in nobody's way.
    assert.equal([await turn("2", passing), await turn("3", passing), await turn("4")], [1, 1, 1]);
    assert.equal([await turn("5", passing), await turn("6"), await turn("4")], [2, 2, 1]);
  });

  test("turn() never lets more through than the limit in any window, from two stores at once, and nobody waits for ever", async () => {
    const other = driver.isShared ? await driver.open("b") : store;
    const [limit, perSeconds] = [3, 1];
    const admitted: { ticket: number; sent: number; answered: number }[] = [];
    try {
      await Promise.all(Array.from({ length: 9 }, async (_, ticket) => {
        const each = ticket % 2 === 0 ? store : other;
        await new Promise((resolve) => setTimeout(resolve, ticket * 20));
        for (;;) {
          const sent = performance.now();
          const turn = await each.rateLimits.turn("shared", { limit, perSeconds }, `t${ticket}`);
          if (turn.admitted) return admitted.push({ ticket, sent, answered: performance.now() });
          assert.ok(turn.waitMs > 0);
          await new Promise((resolve) => setTimeout(resolve, turn.waitMs));
        }
      }));
    } finally {
      if (other !== store) await other[Symbol.asyncDispose]();
    }
    assert.is(admitted.length, 9);
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

test("turn() passes over who does not come again, keeps the order of the others, and lets all of them through", () =>
  fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 3 }),
    fc.array(fc.record({ at: fc.nat({ max: 2500 }), comesBack: fc.boolean(), late: fc.nat({ max: 900 }) }), {
      minLength: 1,
      maxLength: 15,
    }),
    async (limit, arrivals) => {
      let now = 0;
      const limits = new MemoryRateLimits({ now: () => now });
      // Who comes when: a wait is kept, and then some; who does not come back has asked once.
      const due = arrivals.map((each, ticket) => ({ ...each, ticket, next: each.at, first: true }));
      const through: { ticket: number; at: number }[] = [];
      const arrived: number[] = [];
      while (due.length > 0) {
        due.sort((a, b) => a.next - b.next || a.ticket - b.ticket);
        const each = due.shift()!;
        now = Math.max(now, each.next);
        if (each.first) arrived.push(each.ticket);
        const { admitted, waitMs } = await limits.turn("a", { limit, perSeconds: 1 }, String(each.ticket));
        if (admitted) through.push({ ticket: each.ticket, at: now });
        else if (each.comesBack) due.push({ ...each, next: now + waitMs + each.late, first: false });
      }
      for (const { at } of through) {
        assert.ok(through.filter((other) => other.at >= at && other.at < at + 1000).length <= limit);
      }
      const waiting = arrivals.flatMap(({ comesBack }, ticket) => comesBack ? [ticket] : []);
      const order = through.map(({ ticket }) => ticket);
      assert.ok(waiting.every((ticket) => order.includes(ticket)), "nobody is forgotten");
      // Nobody who came back in time, none being later than a second, is overtaken by a whole window.
      for (const [at, { ticket }] of through.entries()) {
        const ahead = through.slice(0, at).filter((other) =>
          arrived.indexOf(other.ticket) > arrived.indexOf(ticket) && arrivals[ticket]!.comesBack
        );
        assert.ok(ahead.length <= 2 * limit, `${ahead.length} went before ${ticket}`);
      }
    },
  )));

test.run();
