import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mayHaveMarks, mayNeedMarks, putMarks, sealedMark, takeMarks } from "../../src/sessions/stored_form.ts";

/** Doubles of every size, and strings that look like marks. */
const awkward = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(
    "\u0000",
    "\u0000n1",
    "\u0000e1",
    "\u0000s",
    "x\u0000",
    0.1,
    2 ** 53,
    2 ** 53 + 2,
    1e21,
    5e-324,
    -0.5,
  ),
  fc.integer(),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    awkward,
    fc.jsonValue(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("__proto__", "\u0000n1")), tie("value"), { maxKeys: 4 }),
  ),
})).value.map((value) => JSON.parse(JSON.stringify(value)));

test("takeMarks() gives back what putMarks() was given", () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(value);
      const stored = JSON.stringify(putMarks(JSON.parse(text)));
      if (!mayNeedMarks(text)) assert.is(stored, text);
      const { holder, parts } = takeMarks(JSON.parse(stored));
      assert.is(JSON.stringify(holder[0]), text);
      assert.equal(parts, []);
      if (!mayHaveMarks(stored)) assert.is(stored, text);
    }),
    { numRuns: 3000 },
  );
});

test("putMarks() leaves no number in JSON that a simple parser could read wrong", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const stored = JSON.stringify(putMarks([number]));
      // A significand below 2 ** 53 and a power of ten up to 22 are exact, and so is their product or quotient.
      const [, digits = "", fraction = ""] = /^\[-?(\d+)(?:\.(\d+))?\]$/.exec(stored) ?? [];
      if (stored.includes("u0000")) return;
      assert.ok(digits !== "" && !/e/.test(stored), stored);
      assert.ok(Number.isSafeInteger(Number(digits + fraction)) && fraction.length <= 22, stored);
    }),
    { numRuns: 3000 },
  );
});

test("takeMarks() finds sealed parts, and where they are", () => {
  const { holder, parts } = takeMarks(
    JSON.parse(JSON.stringify({ a: [{ b: sealedMark("k.x") }], c: sealedMark("k.y") })),
  );
  assert.equal(parts.map(({ place, sealed }) => [place.join("/"), sealed]).sort(), [["a/0/b", "k.x"], ["c", "k.y"]]);
  for (const part of parts) part.set({ opened: part.sealed });
  assert.equal(holder[0], { a: [{ b: { opened: "k.x" } }], c: { opened: "k.y" } });
});

test.run();
