import fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compileExpression } from "../../src/expression/expression.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { scopeOf } from "./scope.ts";
import { anyDirectSource, anyDirectValue } from "./direct_sources.ts";

/** Random expressions; `DIRECT_RUNS=200000` is a proof of some minutes. */
const RUNS = Number(process.env.DIRECT_RUNS ?? 800);

/** A limit of depth below which there are no direct expressions. */
const BY_JSONATA = { maxDepth: 999 };

const input = {
  body: {
    items: [{ price: 2.5, quantity: 4, name: "a", tags: ["x", "y"] }, { price: 1, quantity: 1, name: "b", tags: [] }],
    user: { first: "Ada", last: "Lovelace", age: 36 },
    empty: [],
    one: [7],
    total: 0.1,
    rows: [{ cells: [[1]] }, { cells: [] }],
  },
};
const scope = scopeOf(input, { trigger: { method: "POST" }, nodes: { sum: { total: 11 } } });

/** Expressions that give their value at once, and that value. */
const DIRECT: readonly [string, unknown][] = [
  ["$sum(body.items.(price * quantity))", 11],
  ["$round($sum(body.items.price) / 3, 2)", 1.17],
  ["body.total * 3", 0.1 * 3],
  ['"Dear " & body.user.first & " " & body.user.last', "Dear Ada Lovelace"],
  ["'total: ' & body.total * 3 & missing & null", "total: 0.3null"],
  ["$string(body.total * 3)", "0.3"],
  ["body.items[0].name", "a"],
  ["body.items[-1].name", "b"],
  ["body.items[price > 2].name", "a"],
  ["body.items[price > 0].tags", ["x", "y"]],
  ["body.items[0].tags", ["x", "y"]],
  ["body.items.tags[0]", "x"],
  ["body.items.name", ["a", "b"]],
  ["body.rows[0].cells[0]", [1]],
  ["body.rows.cells[0]", 1],
  ["(body.items.name)[1]", "b"],
  ["body.items.missing", null],
  ["body.empty.name", null],
  ["[body.one, body.empty, 8, [9]]", [7, 8, [9]]],
  ["body.items.{'n': name, 'p': price * quantity}", [{ n: "a", p: 10 }, { n: "b", p: 1 }]],
  ['body.user.age >= 18 ? "adult" : "minor"', "adult"],
  ["body.user.age < 18 ? 'minor'", null],
  ["$trigger.method = 'POST' and $nodes.sum.total != 10", true],
  ["$exists(body.user.missing) or $not($exists(body.user))", false],
  ["body.user.nick ?? body.user.first", "Ada"],
  ["$count(body.items) & '/' & $count(body.missing)", "2/0"],
  ["$uppercase(body.user.first) & $length(body.user.last)", "ADA8"],
  ["$join(body.items.name, ', ')", "a, b"],
  ["-body.user.age % 10", -6],
  ["$$.body.one", [7]],
  ["$execution.version + 1", 2],
];

test("compileExpression() gives the value of a direct expression at once", async () => {
  for (const [source, expected] of DIRECT) {
    const value = compileExpression(source).evaluate(scope);
    assert.not(value instanceof Promise, `${source} is not direct`);
    assert.is(JSON.stringify(value), JSON.stringify(expected), source);
    const slow = await compileExpression(source, BY_JSONATA).evaluate(scope);
    assert.ok(isDeepStrictEqual(value, slow), source);
  }
});

test("compileExpression() leaves to JSONata what it has to fail with, and what it alone can do", async () => {
  const sources = ["body.total / 0", "1 + body.user.first", "body.items.price > 1", "($sum := 1; $sum)", "$now()"];
  for (const source of [...sources, "-body.user.first", "$number('x')", "body.items{name: price}", "body.items.*"]) {
    const [value, slow] = [{}, BY_JSONATA].map((limits) => compileExpression(source, limits).evaluate(scope));
    assert.instance(value, Promise, source);
    const [ours, theirs] = await Promise.allSettled([value, slow]);
    if (source !== "$now()") assert.equal(ours, theirs, source);
  }
});

test("compileExpression() leaves to JSONata what is much work", async () => {
  const prices = Array.from({ length: 1000 }, (_, index) => ({ price: index }));
  const value = compileExpression("$sum(items.price)").evaluate(scopeOf({ items: prices }));
  assert.instance(value, Promise);
  assert.is(await value, 499_500);
  const long = compileExpression("a & a").evaluate(scopeOf({ a: "x".repeat(600) }));
  assert.instance(long, Promise);
  assert.is((await long as string).length, 1200);
});

test("compileExpression() gives new lists, except the very lists of the data", () => {
  const read = (source: string) => compileExpression(source).evaluate(scope) as JsonValue[];
  assert.is(read("body.(items)"), input.body.items as unknown as JsonValue[]);
  for (const source of ["[body.items]", "body.items[price > 0]", "body.items.($)"]) {
    assert.is.not(read(source), input.body.items, source);
    assert.is(JSON.stringify(read(source)), JSON.stringify(input.body.items), source);
  }
});

/** The objects and lists of a value, but for empty lists: JSONata is given copies of them. */
function partsOf(value: unknown, parts = new Set<unknown>()): Set<unknown> {
  if (typeof value !== "object" || value === null) return parts;
  if (!Array.isArray(value) || value.length > 0) parts.add(value);
  for (const child of Object.values(value)) partsOf(child, parts);
  return parts;
}

test("compileExpression() gives directly exactly what JSONata gives", async () => {
  let direct = 0;
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      anyDirectSource,
      fc.array(anyDirectValue, { minLength: 4, maxLength: 4 }),
      async (source, data) => {
        const [fast, slow] = [compileExpression(source), compileExpression(source, BY_JSONATA)];
        const [trigger, output] = data as [JsonValue, JsonValue];
        for (const input of data) {
          const scope = scopeOf(input, { trigger, nodes: { n: output } });
          const before = JSON.stringify(scope);
          const value = fast.evaluate(scope);
          count++;
          if (value instanceof Promise) {
            // To its end: JSONata changes empty lists that it groups, which others may be reading.
            await value.catch(() => {});
            continue;
          }
          direct++;
          assert.is(JSON.stringify(scope), before);
          const expected = await slow.evaluate(scope);
          assert.ok(isDeepStrictEqual(value, expected), `${JSON.stringify(value)} is not ${JSON.stringify(expected)}`);
          const parts = partsOf(scope);
          assert.ok(parts.has(value) ? value === expected : !parts.has(expected), "shared otherwise");
        }
      },
    ),
    { numRuns: RUNS },
  );
  if (RUNS > 10_000) console.log(`${direct} of ${count} evaluations were direct`);
  assert.ok(direct > count / 3, `only ${direct} of ${count} evaluations were direct`);
});

test.run();
