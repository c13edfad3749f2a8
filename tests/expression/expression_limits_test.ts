import { test } from "uvu";
import * as assert from "uvu/assert";
import type { TerminalError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { compileExpression } from "../../src/expression/expression.ts";
import { failure, scopeOf, text } from "./scope.ts";

test("compileExpression() stops a tail call that never ends", async () => {
  const error = await failure("($f := function($x) { $f($x) }; $f(1))", null, 100);
  assert.is(error.code, "expression_timeout");
  assert.match(error.detail ?? "", "$f := function");
});

test("compileExpression() stops a recursion that never ends", async () => {
  assert.is((await failure("($f := function($x) { 1 + $f($x) }; $f(1))")).code, "expression_limit");
});

for (
  const source of [
    "[1..10000000]",
    "[1..100000].[1..100000]",
    "$pad('x', 1000000000)",
    "$pad('x', -1000000000)",
    "($g := function($s, $n) { $n = 0 ? $s : $g($s & $s, $n - 1) }; $length($g('0123456789', 40)))",
    "($g := function($s, $n) { $n = 0 ? $s : $g($join([$s, $s]), $n - 1) }; $g('0123456789', 40))",
    "($g := function($s, $n) { $n = 0 ? $s : $g([[$s], [$s]], $n - 1) }; $g([1, 2], 40) = $g([1, 2], 40))",
    "($g := function($s, $n) { $n = 0 ? $s : $g({'a': $s, 'b': $s}, $n - 1) }; $string($g(1, 40)))",
    "($g := function($s, $n) { $n = 0 ? $s : $g($zip($s, $s), $n - 1) }; $g([1, 2], 40))",
    "($g := function($s, $n) { $n = 0 ? $s : $g({'a': $s, 'b': $s}, $n - 1) }; $g(1, 40) = $g(1, 40))",
    "$fromMillis(0, '[Y,999999999]')",
    "$toMillis('11111111111111111111111111111111111111', '[Y]1[M]1[D]1[H]1[m]1[s]x')",
  ]
) {
  test(`compileExpression() stops ${source}`, async () => {
    assert.is((await failure(source)).code, "expression_limit");
  });
}

// Their limit is a number of steps, so what passes here passes on any machine.
test("compileExpression() matches in linear time", async () => {
  const big = { text: "a".repeat(100_000) + "b" };
  assert.is(await text("$contains(text, /(a+)+$/)", big), "false");
  assert.is(await text("$count($match(text, /(a|aa)+$/))", big), "0");
  assert.is(await text("$replace(text, /(a*)*c/, '') = text", big), "true");
  assert.is(await text("$count($split(text, /(x+x+)+y/))", big), "1");
});

test("compileExpression() sorts and lists what a caller sends within its limit", async () => {
  const many = {
    items: Array.from({ length: 20_000 }, (_, index) => ({ n: (index * 7919) % 20_000 })),
    map: Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, [index]])),
  };
  assert.is(await text("items^(n)[0].n", many), "0");
  assert.is(await text("$count(map.*)", many), "20000");
  assert.is(await text("$count($distinct(items.n))", many), "20000");
  assert.is(await text("$count($spread(map))", many), "20000");
  const wide = Object.fromEntries(Array.from({ length: 90_000 }, (_, index) => [`k${index}`, [index]]));
  assert.is(await text("$count(*)", wide), "90000");
});

test("compileExpression() lets others run while it works", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await failure("($f := function($x) { $f($x) }; $f(1))", null, 300);
  clearInterval(timer);
  assert.ok(turns >= 5, `${turns} turns`);
});

test("compileExpression() refuses a result larger than its limit", async () => {
  const expression = compileExpression("{ 'a': text, 'b': text }", { maxSize: 1000 });
  await assertRejects(expression.evaluate(scopeOf({ text: "x".repeat(600) })), "expression_limit");
});

async function assertRejects(promise: JsonValue | Promise<JsonValue>, code: string): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.is((error as TerminalError).code, code);
    return;
  }
  assert.unreachable("it did not fail");
}

test("compileExpression() quotes what failed, shortened, for operators", async () => {
  const error = await failure(`$number("x")  /* ${"long ".repeat(100)} */`);
  assert.is(error.code, "expression_error");
  assert.ok((error.detail?.length ?? 0) < 300, error.detail);
  assert.is((await failure("$error('no stock')")).detail, `"$error('no stock')" failed: no stock`);
});

test("compileExpression() tells callers a code and fixed words, nothing of the source or the data", async () => {
  const data = { secret: "hunter2", list: ["hunter2"] };
  for (
    const source of [
      "$number(secret)",
      "$error('hunter2: ' & secret)",
      "$assert(false, 'hunter2')",
      "secret + 1",
      "secret > 1",
      "list.hunter2()",
      "secret(1)",
      "[1..3] ~> $join(secret)",
      "($hunter2 := function($x) { $hunter2($x) }; $hunter2(secret))",
      "($hunter2 := function($x) { 1 + $hunter2($x) }; $hunter2(secret))",
      "$pad(secret, 100000000)",
    ]
  ) {
    try {
      await compileExpression(source, { timeoutMs: 20 }).evaluate(scopeOf(data));
    } catch (error) {
      const { message, code } = error as TerminalError;
      assert.not.match(message, "hunter2");
      assert.match(message, /^An expression /);
      assert.match(code, /^expression_/);
      continue;
    }
    assert.unreachable(`${source} did not fail`);
  }
});

test.run();
