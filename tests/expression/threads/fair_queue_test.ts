import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FairQueue } from "../../../src/expression/threads/fair_queue.ts";

test("FairQueue gives each owner its turn, and each owner's items in their order", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.push(item[0]!, item);
  assert.is(queue.size, 6);
  const taken = Array.from({ length: 3 }, () => queue.shift());
  queue.push("d", "d1");
  queue.push("b", "b2");
  while (queue.size > 0) taken.push(queue.shift());
  assert.equal(taken, ["a1", "b1", "c1", "a2", "c2", "d1", "b2", "a3"]);
  assert.is(queue.shift(), undefined);
});

test("FairQueue lets no owner wait for more than one item of each other one, whatever comes and goes", () => {
  const step = fc.oneof(
    fc.record({ push: fc.constantFrom("a", "b", "c", "d") }),
    fc.constant("shift" as const),
    fc.record({ drop: fc.nat(20) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const queue = new FairQueue<{ owner: string; number: number }>();
    let items: { owner: string; number: number; passed: Map<string, number> }[] = [];
    const made = new Map<number, { owner: string; number: number }>();
    for (const [number, step] of steps.entries()) {
      if (step === "shift") {
        const taken = queue.shift();
        assert.is(taken === undefined, items.length === 0);
        if (taken === undefined) continue;
        assert.is(items.find(({ owner }) => owner === taken.owner)?.number, taken.number);
        items = items.filter((item) => item.number !== taken.number);
        const heads = new Set<string>();
        for (const item of items) {
          if (heads.has(item.owner) || item.owner === taken.owner) continue;
          heads.add(item.owner);
          const passed = (item.passed.get(taken.owner) ?? 0) + 1;
          assert.ok(passed <= 1, `${item.owner} was passed ${passed} times by ${taken.owner}`);
          item.passed.set(taken.owner, passed);
        }
        // The next one of the same owner waits from now on.
        items.find(({ owner }) => owner === taken.owner)?.passed.clear();
      } else if ("push" in step) {
        const item = { owner: step.push, number };
        made.set(number, item);
        items.push({ ...item, passed: new Map() });
        queue.push(step.push, item);
      } else {
        const item = items[step.drop % Math.max(1, items.length)];
        if (item === undefined) continue;
        assert.is(queue.delete(item.owner, made.get(item.number)!), true);
        assert.is(queue.delete(item.owner, made.get(item.number)!), false);
        const next = items.filter((other) => other.owner === item.owner && other !== item)[0];
        if (next !== undefined) { for (const [owner, passed] of item.passed) next.passed.set(owner, passed); }
        items = items.filter((other) => other !== item);
      }
      assert.is(queue.size, items.length);
    }
  }));
});

test.run();
