import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { scanJson } from "../../src/lib/json_scan.ts";

test("scanJson() counts values and levels as parsing would find them, or more", () => {
  const count = (value: unknown): { values: number; depth: number } => {
    if (typeof value !== "object" || value === null) return { values: 1, depth: 0 };
    const inner = Object.values(value).map(count);
    return {
      values: inner.reduce((sum, { values }) => sum + values, 1),
      depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
    };
  };
  fc.assert(fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(0, 2), (text, indent) => {
    const value = JSON.parse(text);
    const bytes = new TextEncoder().encode(JSON.stringify(value, null, indent));
    const { values, depth } = count(value);
    const scanned = scanJson(bytes);
    assert.is(scanned.depth, depth);
    assert.ok(scanned.values >= values && scanned.values <= 2 * values, `${scanned.values} for ${values}`);
  }));
});

test("scanJson() looks into no string, and ends for anything", () => {
  for (const text of ['"[[[,,,"', '"\\"[,"', '"\\\\"', '{"a,b[":"{é,"}']) {
    JSON.parse(text);
    assert.ok(scanJson(new TextEncoder().encode(text)).values <= 2, text);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void scanJson(bytes)));
});

test("scanJson() tells of every number that may be larger than a double, and not of what only looks so", () => {
  const whole = ["1", "-9"].flatMap((first) => [0, 100, 307, 308, 309].map((zeros) => first + "0".repeat(zeros)));
  const fractions = ["", ".5", `.${"0".repeat(400)}1`];
  const exponents = ["", "e5", "E+3", "e308", "E0400", "e-400", "e+99"];
  const numbers = whole.flatMap((it) => fractions.flatMap((fraction) => exponents.map((e) => it + fraction + e)));
  for (const around of ["#", " [true, # ]", '{"a":#,"b":"1e400"}', "[[0],#\n]", '["",{"":#}]', "[#,0]"]) {
    for (const number of numbers) {
      const json = around.replace("#", number);
      const { mayOverflow } = scanJson(new TextEncoder().encode(json));
      assert.ok(mayOverflow || Number.isFinite(Number(number)), json);
    }
  }
  const harmless = `[true,false,1.5e-7,${"9".repeat(299)},"1e400","${"9".repeat(400)}","\\"1e9"]`;
  assert.not(scanJson(new TextEncoder().encode(harmless)).mayOverflow);
});

test.run();
