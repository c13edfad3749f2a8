/**
 * Random expressions of what has a direct form, and near it; and data for them.
 */
import fc from "fast-check";
import type { JsonValue } from "../../src/lib/json.ts";

const NAMES = ["a", "b", "c", "list", "a.b", "list.a", "list.(a)", "b.list", "list.list", "missing", "`__proto__`"];
const ROOTS = ["$", "$$", "$trigger", "$trigger.a", "$trigger.list.b", "$nodes.n", "$nodes.n.a", "$execution.version"];
const LITERALS = ["0", "1", "-1", "2.5", "0.1", "1e300", "'x'", "''", "'5'", "true", "false", "null", "[]", "{}"];
/** What has no direct form. JSONata takes a `/` behind `a[]` and `list^(a)` for the beginning of a regex. */
const NEAR = [
  "(a[])",
  "list[].a",
  "*",
  "list.*",
  "$nodes",
  "[1..3]",
  "list#$i.a",
  "list{a: b}",
  "(list^(a))",
  "$x",
  "()",
];

const leaf = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 4, arbitrary: fc.constantFrom(...ROOTS) },
  { weight: 3, arbitrary: fc.constantFrom(...LITERALS) },
  { weight: 1, arbitrary: fc.constantFrom(...NEAR) },
);
const number = fc.constantFrom("a", "b", "$count(list)", "1", "$sum(list.a)", "$trigger.a", "-2.5", "$number(a)");
const text = fc.constantFrom("c", "'x'", "$string(a)", "$trigger.c", "a & c", "list[0].c");
const ARITHMETIC = ["+", "-", "*", "/", "%"];
const OTHERS = ["&", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in", "??", "?:"];
const UNARY = ["sum", "max", "min", "average", "count", "exists", "not", "boolean", "string", "number", "keys", "type"];
const OF_TEXT = ["uppercase", "lowercase", "trim", "length", "join", "number"];
const OF_TWO = ["round", "join", "substring", "substringBefore", "substringAfter", "append", "sum"];

/** An expression over the members `a`, `b`, `c` and `list`. */
export const { source: anyDirectSource } = fc.letrec<{ source: string }>((tie) => {
  const one = fc.oneof({ weight: 3, arbitrary: tie("source") }, number, text);
  const two = fc.tuple(one, one);
  const call = (names: readonly string[], args: fc.Arbitrary<string>) =>
    fc.tuple(fc.constantFrom(...names), args).map(([name, list]) => `$${name}(${list})`);
  const path = fc.constantFrom(
    "list",
    "b",
    "list.list",
    "$trigger",
    "$trigger.list",
    "$nodes.n",
    "$",
    "(list)",
    "[a, list]",
  );
  return {
    source: fc.oneof(
      { maxDepth: 4, depthIdentifier: "source" },
      leaf,
      leaf,
      fc.tuple(number, fc.constantFrom(...ARITHMETIC), one).map((parts) => `(${parts.join(" ")})`),
      fc.tuple(one, fc.constantFrom(...ARITHMETIC, ...OTHERS), one).map((parts) => `(${parts.join(" ")})`),
      fc.tuple(one, fc.constantFrom(...OTHERS), fc.constantFrom(...LITERALS)).map((parts) => `(${parts.join(" ")})`),
      one.map((a) => `-${a}`),
      fc.tuple(path, one).map(([a, b]) => `${a}.(${b})`),
      two.map(([a, b]) => `(${a}).(${b})`),
      two.map(([a, b]) => `(${a}).(${b}).a`),
      fc.tuple(path, number, one).map(([a, b, c]) => `${a}.{'a': ${b}, ${JSON.stringify("__proto__")}: ${c}}`),
      fc.tuple(path, fc.constantFrom("[0]", "[-1]", "[1.5]", "[0][0]", "[a > 0]", "[c = 'x'][0]", "[true]", "[a]"))
        .map(([a, b]) => `${a}${b}`),
      fc.tuple(path, fc.constantFrom("[0]", "[-1]", "[b][0]", "[a != b]", "[$exists(a)]"), one)
        .map(([a, b, c]) => `${a}${b}.(${c})`),
      two.map(([a, b]) => `(${a})[${b}]`),
      fc.tuple(one, fc.constantFrom("[0]", "[-2]", "[0].a", ".list[0]", ".a", ".$string($)")).map(([a, b]) =>
        `(${a})${b}`
      ),
      fc.tuple(one, one, one).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
      two.map(([a, b]) => `(${a} ? ${b})`),
      two.map(([a, b]) => `[${a}, ${b}]`),
      two.map(([a, b]) => `[[${a}], ${b}]`),
      fc.tuple(text, one, one).map(([a, b, c]) => `{${a}: ${b}, 'b': ${c}}`),
      call(UNARY, one),
      call(OF_TEXT, text),
      call(OF_TWO, two.map((args) => args.join(", "))),
      call(
        ["substring", "round", "join"],
        fc.tuple(fc.oneof(text, number, one), number).map((args) => args.join(", ")),
      ),
      two.map(([a, b]) => `($x := ${a}; ${b})`),
    ),
  };
});

const NUMBERS = [0, 1, 2, -1, 0.1, 2.5, -0.5, 1e21, 1e-7, 1e308, 123456789.123456789];
const TEXTS = ["", "x", "y z", " 5", "5", "1e3", "0x1f", "ß", "\ud83d\ude00", "\ud800", "[", "a"];
const ODD = [
  "__proto__",
  "constructor",
  "length",
  "sequence",
  "cons",
  "tupleStream",
  "outerWrapper",
  "_jsonata_lambda",
];

/** Data with the members `a`, `b`, `c` and `list`, with odd ones, and of any shape. */
export const { value: anyDirectValue } = fc.letrec<{ value: JsonValue }>((tie) => {
  const any = tie("value");
  const number = fc.constantFrom<JsonValue>(...NUMBERS, -0);
  const scalar = fc.oneof(number, fc.constantFrom<JsonValue>(...TEXTS), fc.constantFrom<JsonValue>(null, true, false));
  const list = fc.array(any, { maxLength: 4 });
  const often = <T>(arbitrary: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 5, arbitrary }, { weight: 1, arbitrary: other });
  const usual = fc.record({
    a: often(number, any),
    b: often(fc.oneof(number, any), any),
    c: often(fc.constantFrom<JsonValue>(...TEXTS), any),
    list: often(list as fc.Arbitrary<JsonValue>, any),
  }, { requiredKeys: [] }) as fc.Arbitrary<Record<string, JsonValue>>;
  const odd = fc.array(fc.tuple(fc.constantFrom(...ODD), scalar), { maxLength: 2 });
  const object = fc.tuple(usual, often(fc.constant<[string, JsonValue][]>([]), odd)).map(([members, more]) => {
    const result = { ...members };
    for (const [key, value] of more) {
      Object.defineProperty(result, key, { value, writable: true, enumerable: true, configurable: true });
    }
    return result as JsonValue;
  });
  return {
    value: fc.oneof(
      { maxDepth: 4, depthIdentifier: "value", withCrossShrink: true },
      scalar,
      object,
      object,
      object,
      list,
    ),
  };
});
