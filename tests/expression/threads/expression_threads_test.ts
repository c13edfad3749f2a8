// not quick: expressions run into their limits of time
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ExpressionThreads } from "../../../src/expression/threads/expression_threads.ts";
import { compileExpression } from "../../../src/expression/expression.ts";
import type { ExpressionJob } from "../../../src/expression/expression_runner.ts";
import type { Scope } from "../../../src/expression/scope.ts";
import { scopeOf } from "../scope.ts";
import { ENDLESS, HEAVY, jobOf, outcome } from "./jobs.ts";

const test = suite("ExpressionThreads");
const errors: unknown[] = [];
let threads: ExpressionThreads;

test.before(() => {
  threads = new ExpressionThreads({ threads: 1, onError: (error) => errors.push(error) });
});
test.after(async () => {
  await threads[Symbol.asyncDispose]();
  assert.equal(errors, []);
});

function evaluate(source: string, scope: Scope = scopeOf({ n: 1 }), timeoutMs = 60_000, runner = threads) {
  return Promise.resolve(compileExpression(source, { timeoutMs, runner }).evaluate(scope));
}

const run = (job: ExpressionJob, owner = "a", signal?: AbortSignal) => threads.run(job, { owner, signal });

test("evaluates what is too much in line, with what it reads of its scope", async () => {
  const list = Array.from({ length: 5000 }, (_, n) => ({ n }));
  const scope = scopeOf({ list, n: 1 }, { trigger: { list, t: 2 }, nodes: { first: { list }, other: { n: 3 } } });
  const sum = 12_497_500;
  assert.is(await evaluate("$sum(list.(n + 0))", scope), sum);
  assert.is(await evaluate("$sum($trigger.list.(n + $trigger.t)) + n", scope), sum + 10_000 + 1);
  assert.is(await evaluate("$sum($nodes.first.list.(n)) + $nodes.other.n", scope), sum + 3);
  assert.is(await evaluate("($x := $nodes; $sum($lookup($x, 'first').list.(n)))", scope), sum);
  assert.is(await evaluate("$execution.workflowId & $sum($$.list.(n))", scope), `orders${sum}`);
  assert.is(await evaluate("$sum($map(list, function($i) { $i.n }))", scope), sum);
  assert.is(await evaluate("list.($count($)) ~> $sum()", scope), 5000);
});

test("gives the time at which the evaluation began in line", async () => {
  const before = Date.now();
  const value = await evaluate("($sum([1..5000].($)); [$millis(), $toMillis($now())])") as number[];
  assert.ok(value[0]! >= before && value[0]! <= Date.now());
  assert.is(value[0], value[1]);
  assert.is(await run(jobOf("$millis()")), 1_700_000_000_000);
});

test("ends at its limit of processor time what would never end, and goes on", async () => {
  assert.is(await outcome(evaluate(ENDLESS, scopeOf(null), 50)), "expression_timeout");
  // One step that the evaluator cannot stop ends with the thread.
  const quadratic = "$reduce([1..40], function($a, $b) { $append($a, $a) }, [1, 2]) ~> $count()";
  assert.is(await outcome(evaluate(quadratic, scopeOf(null))), "expression_limit");
  assert.is(await evaluate(HEAVY), 19_997);
});

test("stops a match that looks at its text again and again, however long it is", async () => {
  for (const length of [700_000, 4_000_000]) {
    const scope = scopeOf({ text: "a".repeat(length) });
    assert.is(await outcome(evaluate("$count($match(text, /a.*?b|a/))", scope, 50)), "expression_timeout");
    assert.is(await evaluate("$contains(text, /^a+$/)", scope, 60_000), true);
  }
});

test("merges 200,000 objects within its limit, or stops there", async () => {
  const items = Array.from({ length: 200_000 }, (_, n) => ({ [`k${n}`]: n }));
  assert.is(await outcome(evaluate("$count($keys($merge(items)))", scopeOf({ items }), 5)), "expression_timeout");
});

test("an expression that takes too much memory ends alone", async () => {
  await using small = new ExpressionThreads({ threads: 1, memoryMib: 24, onError: (error) => errors.push(error) });
  const greedy = "$count($map([1..100], function() { $map([1..1000], function($i) { {'a': {'b': {'c': $i}}} }) }))";
  const options = { owner: "a", signal: undefined };
  const jobs = [small.run(jobOf(greedy), options), small.run(jobOf(HEAVY, { input: { n: 1 } }), options)];
  assert.equal(await Promise.all(jobs.map(outcome)), ["expression_limit", "19997"]);
});

test("nothing goes on of an evaluation that has failed", async () => {
  const branches = "[$error('no'), ($f := function($x) { $f($x) }; $f(1)), $map([1..90000], function($i) { $i })]";
  for (let n = 0; n < 5; n++) assert.is(await outcome(run(jobOf(branches))), "expression_error");
  assert.is(await run(jobOf("1 + 1", {}, 20)), 2);
  // Nor in line, where it would hold up everybody.
  assert.is(await outcome(compileExpression(branches).evaluate(scopeOf(null))), "expression_error");
});

test("many at once all succeed, though together they take longer than the limit of each", async () => {
  let aloneMs = 0;
  for (let n = 0; n < 3; n++) {
    const startedAt = performance.now();
    await evaluate(HEAVY);
    aloneMs = performance.now() - startedAt;
  }
  const limitMs = Math.ceil(10 * aloneMs);
  const values = await Promise.all(
    Array.from({ length: 50 }, () => outcome(evaluate(HEAVY, scopeOf({ n: 1 }), limitMs))),
  );
  assert.equal(values, Array.from({ length: 50 }, () => "19997"));
});

test("one owner's many do not hold up another's one", async () => {
  const order: string[] = [];
  const jobs = Array.from(
    { length: 20 },
    (_, n) => run(jobOf(HEAVY, { input: { n: 1 } }), "many").then(() => order.push(`many${n}`)),
  );
  jobs.push(run(jobOf(HEAVY, { input: { n: 1 } }), "one").then(() => order.push("one")));
  await Promise.all(jobs);
  assert.ok(order.indexOf("one") <= 2, order.join(" "));
});

test("what is in line is answered while a thread is at work", async () => {
  const order: string[] = [];
  const controller = new AbortController();
  const slow = outcome(run(jobOf(ENDLESS), "a", controller.signal)).then((code) => order.push(code));
  for (let n = 0; n < 20; n++) {
    await evaluate("n + 1").then(() => order.push("in line"));
    await new Promise((resolve) => setTimeout(resolve));
  }
  controller.abort(Object.assign(new Error("cancelled"), { code: "cancelled" }));
  await slow;
  assert.equal(order, [...Array.from({ length: 20 }, () => "in line"), "cancelled"]);
});

test("many that begin at the same time do little in line together, and what was too much is tried for less", async () => {
  let sent = 0;
  const counting = {
    run: (job: ExpressionJob, options: { owner: string; signal: AbortSignal | undefined }) => {
      sent++;
      return threads.run(job, options);
    },
  };
  // Some 1500 steps, by JSONata because of the []: enough alone, too much for a hundred at the same time.
  const sum = (n: number) => ({ list: Array.from({ length: n }, () => 1) });
  const expression = () => compileExpression("$sum(list[].($ + 1))", { timeoutMs: 250, runner: counting });
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
  for (let n = 0; n < 10; n++) {
    assert.is(await expression().evaluate(scopeOf(sum(400))), 800);
    await turn();
  }
  assert.is(sent, 0);
  const values = await Promise.all(Array.from({ length: 100 }, () => expression().evaluate(scopeOf(sum(400)))));
  assert.equal(values, Array.from({ length: 100 }, () => 800));
  assert.ok(sent > 50 && sent < 100, `${sent} of 100`);
  sent = 0;
  const one = expression();
  for (const n of [4000, 400, 20, 400]) {
    await turn();
    assert.is(await one.evaluate(scopeOf(sum(n))), n * 2);
  }
  assert.is(sent, 3);
  for (let n = 0; n < 20; n++) {
    await turn();
    await one.evaluate(scopeOf(sum(20)));
  }
  assert.is(await one.evaluate(scopeOf(sum(400))), 800);
  assert.is(sent, 3);
});

test("drops what nobody waits for any more, in the queue and in a thread", async () => {
  const controllers = Array.from({ length: 3 }, () => new AbortController());
  const endless = controllers.map(({ signal }) => outcome(run(jobOf(ENDLESS), "a", signal)));
  const after = run(jobOf("1 + 1"), "a");
  const reason = Object.assign(new Error("cancelled"), { code: "cancelled" });
  for (const controller of controllers) controller.abort(reason);
  assert.equal(await Promise.all(endless), ["cancelled", "cancelled", "cancelled"]);
  assert.is(await after, 2);
  const controller = new AbortController();
  const begun = outcome(run(jobOf(ENDLESS), "a", controller.signal));
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort(reason);
  assert.is(await begun, "cancelled");
  assert.is(await run(jobOf("1 + 1")), 2);
  assert.is(await outcome(run(jobOf("1 + 1"), "a", controller.signal)), "cancelled");
  const scope = scopeOf(null, { signal: AbortSignal.abort(reason) });
  assert.is(await outcome(evaluate(ENDLESS, scope)), "cancelled");
});

test("refuses what exceeds its queue, and everything once it is closed", async () => {
  const few = new ExpressionThreads({ threads: 1, maxWaiting: 2 });
  const options = { owner: "a", signal: undefined };
  const jobs = Array.from({ length: 4 }, () => outcome(few.run(jobOf("1 + 1"), options)));
  assert.equal(await Promise.all(jobs), ["2", "2", "expression_busy", "expression_busy"]);
  const pending = [few.run(jobOf(ENDLESS), options), few.run(jobOf(ENDLESS), options)].map(outcome);
  await few[Symbol.asyncDispose]();
  assert.equal(await Promise.all(pending), ["expression_busy", "expression_busy"]);
  assert.is(await outcome(few.run(jobOf("1 + 1"), options)), "expression_busy");
});

test.run();
