import { test } from "uvu";
import * as assert from "uvu/assert";
import type { TerminalError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { PARSE_LIMITS, ParseBudget } from "../../src/expression/parse_budget.ts";
import { compileTemplate } from "../../src/expression/template.ts";
import { scopeOf } from "./scope.ts";

function compile(value: JsonValue) {
  return compileTemplate(value, {
    pointer: "",
    fault: (pointer, detail) => {
      throw new Error(`${pointer}: ${detail}`);
    },
  });
}

async function render(value: JsonValue, input: JsonValue = { n: 2, s: "x", list: [1, "a"], nil: null }) {
  return JSON.parse(JSON.stringify(await compile(value)(scopeOf(input)))) as JsonValue;
}

test("compileTemplate() gives the value of an expression that stands alone", async () => {
  assert.is(await render("{{ n }}"), 2);
  assert.is(await render("  {{n}}\n"), 2);
  assert.equal(await render("{{ list }}"), [1, "a"]);
  assert.is(await render("{{ missing }}"), null);
});

test("compileTemplate() makes a string when text or another expression stands beside", async () => {
  assert.is(await render("n={{ n }}"), "n=2");
  assert.is(await render("{{ n }}{{ s }}"), "2x");
  assert.is(await render("{{ list }}, {{ nil }}, {{ n = 2 }}."), '[1,"a"], , true.');
});

test("compileTemplate() gives its value at once, unless an expression of it gives a promise", async () => {
  const scope = scopeOf({ n: 2, s: "x" });
  const atOnce = { a: ["{{ n * 2 }}", 1], b: "{{ s }}{{ n }}", c: { d: "{{ s & n }}" } };
  assert.equal(compile(atOnce)(scope), { a: [4, 1], b: "x2", c: { d: "x2" } });
  const [now, later] = ["{{ n }}", "{{ $reverse([n]) }}"];
  for (const [first, second, third] of [[later, now, now], [now, later, now], [now, now, later], [later, later, now]]) {
    const parts = [first!, second!, third!];
    const values = parts.map((part) => part === now ? 2 : [2]);
    const [list, text] = [parts, `<${parts.join("|")}>`].map((value) => compile(value)(scope));
    assert.instance(list, Promise);
    assert.equal(await list, values);
    assert.is(await text, `<${values.map((value) => JSON.stringify(value)).join("|")}>`);
    assert.equal(await compile({ one: first!, two: { three: [second!] }, "": third! })(scope), {
      one: values[0],
      two: { three: [values[1]] },
      "": values[2],
    });
  }
});

test("compileTemplate() finds the end of an expression that holds braces itself", async () => {
  assert.equal(await render('{{ {"a": {"b": n}} }}'), { a: { b: 2 } });
  assert.equal(await render('{{{"a": {"b": n}}}}'), { a: { b: 2 } });
  assert.is(await render('{{ "}}" & s }} and {{ "{{" }}'), "}}x and {{");
  assert.is(await render("{{ s }} }} {{ n }}"), "x }} 2");
});

test("compileTemplate() leaves what holds no expression as it is", async () => {
  const constant = { a: ["b", { c: 1 }], d: "} } {" };
  const template = compile(constant);
  assert.is(await template(scopeOf(null)), constant);
  assert.throws(() => Object.assign(constant, { e: 1 }));
});

test("compileTemplate() keeps a member called __proto__ as data", async () => {
  const raw = JSON.parse('{"__proto__": {"x": "{{ n }}"}, "y": {"__proto__": 1}}') as JsonValue;
  const value = await compile(raw)(scopeOf({ n: 5 }));
  assert.is(JSON.stringify(value), '{"__proto__":{"x":5},"y":{"__proto__":1}}');
  assert.is(Object.getPrototypeOf(value), Object.prototype);
});

test("compileTemplate() reports each expression that cannot be parsed by its pointer", () => {
  const faults: [string, string][] = [];
  compileTemplate({ ok: "{{ n }}", "a/b~": ["{{ n + }}", "{{ }}"], open: "{{ n" }, {
    pointer: "/output",
    fault: (pointer, detail) => faults.push([pointer, detail]),
  });
  assert.equal(faults.map(([pointer]) => pointer), ["/output/a~1b~0/0", "/output/a~1b~0/1", "/output/open"]);
  assert.match(faults[0]?.[1] ?? "", 'Cannot parse "n +"');
  assert.match(faults[2]?.[1] ?? "", "closes");
});

async function failure(value: JsonValue, input: JsonValue, maxOutputBytes: number): Promise<TerminalError> {
  const template = compileTemplate(value, { pointer: "", fault: assert.unreachable, maxOutputBytes });
  try {
    await template(scopeOf(input));
  } catch (error) {
    assert.is((error as Error).name, "TerminalError");
    return error as TerminalError;
  }
  throw new Error("it did not fail");
}

test("compileTemplate() refuses a text that grows past the limit, whatever it is made of", async () => {
  const input = { text: "x".repeat(1000), list: Array.from({ length: 300 }, () => 1), map: { a: "x".repeat(1000) } };
  for (const part of ["text", "list", "map", "{'a': text}"]) {
    const text = `{{ ${part} }}, `.repeat(100);
    assert.is((await failure(text, input, 50_000)).code, "output_too_large", part);
    assert.is(typeof await compile(text)(scopeOf(input)), "string");
  }
});

test("compileTemplate() counts a value as often as it stands in what is made", async () => {
  const input = { big: { text: "x".repeat(10_000) } };
  const many = Array.from({ length: 100 }, (_, index) => index % 2 ? "{{ big }}" : { deep: ["{{ $.big }}"] });
  assert.is((await failure(many, input, 900_000)).code, "output_too_large");
  const made = await compile(many)(scopeOf(input)) as JsonValue[];
  assert.is(made.length, 100);
  // One after another, with a mended template in between: what is left is counted anew each time.
  const template = compileTemplate(many, { pointer: "", fault: assert.unreachable, maxOutputBytes: 1_100_000 });
  for (let n = 0; n < 3; n++) assert.is((await template(scopeOf(input)) as JsonValue[]).length, 100);
});

test("compileTemplate() stops parsing when a definition asks for too much, with one fault", () => {
  const faults: [string, string][] = [];
  const options = {
    budget: new ParseBudget(),
    fault: (pointer: string, detail: string) => void faults.push([pointer, detail]),
  };
  compileTemplate("{{a}}".repeat(180_000), { ...options, pointer: "/first" });
  compileTemplate({ x: "{{a}}", y: `{{ ${"1+".repeat(100)} }}` }, { ...options, pointer: "/second" });
  assert.equal(faults.map(([pointer]) => pointer), ["/first"]);
  assert.match(faults[0]?.[1] ?? "", `${PARSE_LIMITS.tries} expressions`);
  faults.length = 0;
  const long = `{{ ${"x".repeat(10_000)} }}`;
  compileTemplate(Array.from({ length: 100 }, () => long), { ...options, budget: new ParseBudget(), pointer: "" });
  assert.equal(faults.map(([pointer]) => pointer), ["/13"]);
  faults.length = 0;
  // Braces that close nothing: each is a try at all that stands before it.
  const tries = Array.from({ length: 50 }, () => `{{ ${"{{ '".repeat(50)}${" }}".repeat(100)}`);
  compileTemplate(tries, { ...options, budget: new ParseBudget(), pointer: "" });
  assert.ok(faults.length < 30, `${faults.length} faults`);
  assert.match(faults.at(-1)?.[1] ?? "", "Cannot parse more");
});

test("compileTemplate() gives constants that nobody can change, with the same answers", async () => {
  const constant = { list: [{ n: 1 }, { n: 2 }], empty: [], map: { a: { b: [] } } };
  const value = await compile(constant)(scopeOf(null)) as Record<string, JsonValue>;
  const beside = await compile({ constant, n: "{{ n }}" })(scopeOf({ n: 1 })) as Record<string, JsonValue>;
  assert.is(beside.constant, value);
  const before = JSON.stringify(value);
  const sources = [
    "$ ~> |$$|{'x': 1}|",
    "$ ~> |list|{'n': 7}, 'x'|",
    "$ ~> |$nodes.first.list|{'n': 7}|",
    "$ ~> |$trigger.map|{'n': 7}|",
    "($c := $nodes.first; $ ~> |$c.list[0]|{'n': 7}|)",
    "($clone := function($x) { $x }; $ ~> |$|{'n': 7}|)",
    "list[].n",
    "empty[]",
    "list[]{'x': n}",
    "empty{'x': 1}",
    "$trigger.empty{'x': 1}",
    "map.a.b[]",
    "map(1)",
    "$trigger(1)",
    "$$(1)",
    "$append(list, 3)",
    "list^(>n)",
    "$sort(list, function($a, $b) { $a.n < $b.n })",
    "$merge([map, {'z': 1}])",
  ];
  for (const source of sources) {
    const results: string[] = [];
    // As constants, and as what a caller sent: the same answer, and neither is changed.
    for (const input of [value, JSON.parse(before) as JsonValue]) {
      const scope = scopeOf(input, { trigger: input, nodes: { first: input } });
      let result: string;
      try {
        result = JSON.stringify(await compile(`{{ ${source} }}`)(scope));
      } catch (error) {
        result = (error as TerminalError).code;
      }
      results.push(result);
      assert.is(JSON.stringify(input), before, source);
    }
    assert.is(results[0], results[1], source);
  }
});

test.run();
