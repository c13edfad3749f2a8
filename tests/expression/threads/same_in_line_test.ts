// not quick: very many expressions
/**
 * A thread gives what the main thread gives, whatever the expression and its input.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compileExpression } from "../../../src/expression/expression.ts";
import type { ExpressionJob } from "../../../src/expression/expression_runner.ts";
import { ExpressionThreads } from "../../../src/expression/threads/expression_threads.ts";
import type { JsonValue } from "../../../src/lib/json.ts";
import { scopeOf } from "../scope.ts";
import { outcome } from "./jobs.ts";

const errors: unknown[] = [];
const threads = new ExpressionThreads({ threads: 1, onError: (error) => errors.push(error) });

test.after(() => threads[Symbol.asyncDispose]());

test("gives what is given in line, for any expression and input", async () => {
  const names = ["a", "b", "c"];
  const leaf = fc.oneof(
    fc.constantFrom("a", "b.c", "$", "$$", "*", "**", "$trigger", "$trigger.a", "$nodes.a", "$nodes", "missing"),
    fc.integer({ min: -9, max: 9 }).map(String),
    fc.constantFrom("'x'", "''", "true", "null", "[]", "{}", "[1..3]", "/[ab]+/", "function($v) { $v }", "$count"),
  );
  const { source } = fc.letrec<{ source: string }>((tie) => {
    const part = tie("source");
    return {
      source: fc.oneof(
        { maxDepth: 3, depthIdentifier: "source" },
        leaf,
        fc.tuple(part, fc.constantFrom("+", "&", "=", "<", "and", "in", ".", "~>", "*"), part)
          .map(([a, op, b]) => `(${a} ${op} ${b})`),
        fc.tuple(part, part).map(([a, b]) => `${a}[${b}]`),
        fc.tuple(part, part).map(([a, b]) => `(${a})^(${b})`),
        fc.tuple(part, part).map(([a, b]) => `(${a}){$string(${b}): $count($)}`),
        fc.tuple(part, part).map(([a, b]) => `{'k': ${a}, 'l': ${b}}`),
        fc.tuple(part, part).map(([a, b]) => `[${a}, ${b}]`),
        fc.tuple(part, part).map(([a, b]) => `(${a} ~> |$|{'n': ${b}}|)`),
        fc.tuple(fc.constantFrom("string", "sum", "keys", "merge", "sort", "distinct", "boolean", "type"), part)
          .map(([name, a]) => `$${name}(${a})`),
        fc.tuple(fc.constantFrom("append", "zip", "join", "lookup", "map", "filter", "split", "match"), part, part)
          .map(([name, a, b]) => `$${name}(${a}, ${b})`),
        fc.tuple(part, part, part).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
        fc.tuple(part, part).map(([a, b]) => `($x := ${a}; $x.(${b}))`),
      ),
    };
  });
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<JsonValue>(null, true, 0, -0, 1.5, "", "ab", "\ud800", [], {}),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names, "__proto__", "_jsonata_lambda"), tie("value"), { maxKeys: 3 }),
    ),
  }));
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(source, value, value, async (source, input, trigger) => {
      const scope = scopeOf(input, { trigger, nodes: { a: trigger, b: input } });
      let inLine: string;
      try {
        inLine = await outcome(compileExpression(source, { timeoutMs: 60_000 }).evaluate({ ...scope, now: 0 }));
      } catch {
        return;
      }
      const { signal: _, ...rest } = scope;
      const limits = { timeoutMs: 60_000, maxDepth: 20_000, maxSize: 1 << 24 };
      const { input: sent, ...others } = rest;
      const job = { source, limits, scope: { ...others, input: sent, now: 0 } };
      assert.is(await outcome(threads.run(job, { owner: "a", signal: undefined })), inLine, source);
      // What is read of the scope is enough, also where the whole evaluation goes to the thread.
      const always = {
        run: (job: ExpressionJob, options: { owner: string; signal: AbortSignal | undefined }) =>
          threads.run(job, options),
      };
      const padded = `($sum([1..900].($ + 1)); ${source})`;
      const long = compileExpression(padded, { timeoutMs: 60_000, runner: always }).evaluate({ ...scope, now: 0 });
      assert.is(await outcome(long), inLine, padded);
      compared++;
    }),
    { numRuns: 150 },
  );
  assert.ok(compared > 50, `${compared} were compared`);
  assert.equal(errors, []);
});

test.run();
