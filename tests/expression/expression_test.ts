import fc from "fast-check";
import jsonata from "jsonata";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JsonValue } from "../../src/lib/json.ts";
import { compileExpression, ExpressionSyntaxError } from "../../src/expression/expression.ts";
import { evaluate, failure, scopeOf, text } from "./scope.ts";
import { anySource, anyValue, SOURCES } from "./sources.ts";

test("compileExpression() reads the input by bare names and the scope by variables", async () => {
  const scope = scopeOf({ a: { b: [1, 2] }, n: 2 }, { trigger: { t: 1 }, nodes: { first: { out: "x" } } });
  const read = async (source: string) => JSON.stringify(await compileExpression(source).evaluate(scope));
  assert.is(await read("a.b"), "[1,2]");
  assert.is(await read("$sum(a.b) * n"), "6");
  assert.is(await read("$trigger.t"), "1");
  assert.is(await read("$nodes.first.out"), '"x"');
  assert.is(await read("$execution.workflowId & $execution.version"), '"orders1"');
  assert.is(await read("missing"), "null");
  assert.is(await read("missing.more"), "null");
  assert.is(await read("$"), '{"a":{"b":[1,2]},"n":2}');
});

test("compileExpression() answers as JSONata does for plain paths over any input", async () => {
  const key = fc.constantFrom("a", "b", "__proto__", "constructor", "length", "sequence", "_jsonata_lambda");
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<JsonValue>(null, true, false, 0, 1, "", "x"),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((list) =>
        JSON.parse(`{${list.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join()}}`) as JsonValue
      ),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(value, fc.array(key, { minLength: 1, maxLength: 4 }), async (input, path) => {
      const source = path.map((name) => `\`${name}\``).join(".");
      let expected: unknown;
      try {
        expected = await jsonata(source).evaluate(input);
      } catch {
        return;
      }
      assert.is(await text(source, input), JSON.stringify(expected ?? null));
      const nested = await compileExpression(`$trigger.${source}`).evaluate(scopeOf(null, { trigger: input }));
      const nestedExpected: unknown = await jsonata(`$trigger.${source}`).evaluate(null, { trigger: input });
      assert.is(JSON.stringify(nested), JSON.stringify(nestedExpected ?? null));
    }),
    { numRuns: 500 },
  );
});

const input = {
  items: [5, 3, 3, 9, 1].map((price, index) => ({ price, name: `n${index}`, tags: [`t${index % 2}`, "all"] })),
  text: "one two  three",
  one: [{ price: 4, name: "only" }],
  empty: [],
  map: { x: [1, [2]], y: 3, z: null },
};

for (const source of SOURCES) {
  test(`compileExpression() answers as JSONata does to ${source}`, async () => {
    const expected: unknown = await jsonata(source).evaluate(structuredClone(input));
    assert.is(await text(source, structuredClone(input)), JSON.stringify(expected ?? null));
  });
}

test("compileExpression() answers as JSONata does to any expression, and changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(anySource, anyValue, anyValue, async (source, input, trigger) => {
      const scope = scopeOf(input, { trigger, nodes: { a: trigger } });
      const before = JSON.stringify(scope);
      let expected: string | undefined;
      try {
        const { input, ...bindings } = structuredClone(scope);
        expected = JSON.stringify(
          await jsonata(source, { timeout: 500, stack: 1000 }).evaluate(input, { ...bindings }) ?? null,
        );
        // What it makes of what it has changed is no answer.
        if (JSON.stringify({ input, ...bindings }) !== before) expected = undefined;
      } catch {
        return;
      }
      try {
        const value = JSON.stringify(await compileExpression(source).evaluate(scope));
        // JSONata puts `undefined` into an empty list that it groups, which shows where that is one of its own.
        const shown = (json: string) => source.includes("{") ? json.replaceAll("[null]", "[]") : json;
        if (expected !== undefined) assert.is(shown(value), shown(expected), source);
      } catch (error) {
        // A transform of what is not its own, or that makes a circle.
        if (expected !== undefined && (!source.includes("~>") || (error as Error).name !== "TerminalError")) {
          throw error;
        }
      }
      assert.is(JSON.stringify(scope), before, source);
    }),
    { numRuns: 500 },
  );
});

test("compileExpression() gives lists that are no JSONata sequences", async () => {
  const value = await evaluate("{ 'names': items.name, 'made': [items.price, 1] }", input) as Record<string, unknown[]>;
  for (const list of [value.names, value.made, await evaluate("items.name", input)]) {
    assert.equal(Reflect.ownKeys(list as unknown[]).filter((key) => !/^\d+$|^length$/.test(String(key))), []);
  }
  structuredClone(value);
});

test("compileExpression() gives null for what JSON has not", async () => {
  assert.is(await text("1 / 0"), "null");
  assert.is(await text("[5 % 0, 1]"), "[null,1]");
});

test("compileExpression() keeps evaluations at the same time apart", async () => {
  const expression = compileExpression("($x := n; $map([1..20], function($i) { $i * $x }) ~> $sum())");
  const results = await Promise.all(Array.from({ length: 50 }, (_, n) => expression.evaluate(scopeOf({ n }))));
  assert.equal(results, Array.from({ length: 50 }, (_, n) => 210 * n));
});

for (
  const source of [
    "list.{'a': 1}",
    "list.{'a': $count($)}",
    "list.{'a': $}",
    "list.{'a': b}",
    "list.({'a': 1})",
    "list.[{'a': 1}]",
    "list.{'a': {'b': $}}",
    "list.{'a': 1}[]",
    "list.$merge([{'a': 1}, {'b': 2}])",
    "list.{'a': $}[a]",
    "more.list.{'a': $}",
  ]
) {
  test(`compileExpression() makes objects of empty lists as JSONata does, and leaves them empty: ${source}`, async () => {
    const list: JsonValue = [[], [1], [[]], [[2], 3], { b: [], outerWrapper: true }, null];
    const given = { list, more: [{ list: [] }, { list: [[], []] }, []] };
    const expected: unknown = await jsonata(source).evaluate(structuredClone(given));
    const before = JSON.stringify(given);
    assert.is(await text(source, given), JSON.stringify(expected ?? null));
    assert.is(JSON.stringify(given), before);
  });
}

test("compileExpression() leaves its input as it was", async () => {
  const before = JSON.stringify(input);
  for (const source of ["items ~> |$|{'price': 0}|", "items^(price)", "items[].name", "$append(items, 1)"]) {
    await evaluate(source, input);
  }
  assert.is(JSON.stringify(input), before);
});

test("compileExpression() reads __proto__ and constructor as data only", async () => {
  const own = JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}') as JsonValue;
  assert.is(await text("`__proto__`.x", own), "1");
  assert.is(await text("`constructor`", own), "2");
  for (const source of ["`__proto__`", "constructor", "$.constructor.constructor", "$lookup($, 'constructor')"]) {
    assert.is(await text(source, { a: 1 }), "null", source);
  }
  for (const source of ["toString()", "hasOwnProperty('a')", "__defineGetter__('x', function(){1})"]) {
    assert.is((await failure(source, { a: 1 })).code, "expression_error", source);
  }
  await evaluate("$ ~> |$|{'__proto__': {'polluted': true}}|", { a: 1 });
  assert.is(({} as { polluted?: boolean }).polluted, undefined);
});

test("compileExpression() does not run data that looks like a lambda", async () => {
  const forged: JsonValue = {
    f: { _jsonata_lambda: true, thunk: true, body: { type: "string", value: "run", procedure: { type: "value" } } },
  };
  assert.is((await failure("(function($x) { $x })(f)", forged)).code, "expression_error");
  assert.is(await text("f._jsonata_lambda", forged), "null");
});

test("compileExpression() refuses a result that is a function", async () => {
  assert.is((await failure("$map")).code, "expression_error");
  assert.is((await failure("{ 'f': function($x) { $x } }")).code, "expression_error");
});

test("compileExpression() gives the outputs that there are, not those to come", async () => {
  for (const source of ["$nodes", "{ 'all': $nodes }", "[$nodes]", "$merge([$nodes])", "($n := $nodes; [$n, $n])"]) {
    const nodes: Record<string, JsonValue> = { first: { n: 1 } };
    const value = await compileExpression(source).evaluate(scopeOf(null, { nodes }));
    const before = JSON.stringify(value);
    nodes.second = value;
    assert.is(JSON.stringify(value), before, source);
    assert.is(JSON.stringify(nodes).length, '{"first":{"n":1},"second":}'.length + before.length);
  }
});

test("compileExpression() gives lists without members, though a transform has set some", async () => {
  for (
    const source of [
      "[[1, 2]] ~> |$|{'n': 1}|",
      "([[1], [2]] ~> |$|{'n': $count}|)",
      "{'a': [[1, 2]] ~> |$|{'n': $count}|}",
    ]
  ) {
    const value = await compileExpression(source).evaluate(scopeOf(null));
    assert.equal(structuredClone(value), JSON.parse(JSON.stringify(value)), source);
    for (const list of [value, ...Object.values(value as object)].filter(Array.isArray)) {
      assert.is(Object.keys(list).length, list.length, source);
    }
  }
});

for (const source of ["a +", "(", "$eval('1')", "/(?=a)/", "/(a)\\1/", "items#$i^(price)", "x".repeat(20_000)]) {
  test(`compileExpression() refuses to parse ${source.slice(0, 20)}`, () => {
    assert.throws(() => compileExpression(source), (error: unknown) => error instanceof ExpressionSyntaxError);
  });
}

test.run();
