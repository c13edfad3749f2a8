import { test } from "uvu";
import * as assert from "uvu/assert";
import { findImports } from "../../scripts/imports.ts";

test("findImports() passes over comments and what only looks like an import", () => {
  const text = [
    "/**",
    ' * import { a } from "a";',
    ' import "b";',
    " */",
    '// import "c";',
    'export const from = "d";',
    'export function e() {\n  return "from";\n}',
    'import {\n  type f,\n  g,\n} from "f";',
  ].join("\n");
  assert.equal(findImports("src/x.ts", text).map((it) => [it.line, it.specifier]), [[10, "f"]]);
});

test.run();
