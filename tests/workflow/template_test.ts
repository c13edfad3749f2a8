import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JsonValue } from "../../src/json.ts";
import { compileTemplate } from "../../src/workflow/template.ts";
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

test.run();
