import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Turns } from "../../src/lib/turns.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("in each turn so many begin, in the order in which they came, and all do", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.nat({ max: 12 }), { maxLength: 8 }),
      async (most, arrivals) => {
        const turns = new Turns({ most });
        const begun: number[] = [];
        let came = 0;
        let waiting = 0;
        const come = async (n: number) => {
          await turns.next();
          begun.push(n);
        };
        // A turn in which nothing comes follows all others, so that nothing is left of them.
        for (const count of [...arrivals, ...Array(60).fill(0)]) {
          const before = begun.length;
          for (let i = 0; i < count; i++) void come(came++);
          await turn();
          assert.ok(begun.length - before <= 2 * most, "those of this turn, and those of the next");
          waiting = came - begun.length;
        }
        assert.is(waiting, 0);
        assert.equal(begun, Array.from({ length: came }, (_, n) => n));
      },
    ),
    { numRuns: 50 },
  );
});

test("who comes alone begins at once", () => {
  const turns = new Turns({ most: 2 });
  assert.equal([turns.next(), turns.next()], [undefined, undefined]);
  assert.instance(turns.next(), Promise);
});

test.run();
