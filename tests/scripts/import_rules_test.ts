import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkImports, findImports } from "../../scripts/import_rules.ts";

function check(files: Record<string, string>): string[] {
  return checkImports(new Map(Object.entries(files)));
}

const CLIENT = "only src/main.ts, src/redis/ and Redis drivers touch the client";
const APART = "http and execution never import each other";
const NODE =
  "Node's own modules are for src/main.ts, src/listen.ts, src/logger.ts, src/nodes/guarded_fetch.ts, src/cli/, src/threads/ and Redis drivers";

test("checkImports() keeps http and execution apart, types included", () => {
  const files = {
    "src/http/x.ts": 'import { a } from "../log/port.ts";\n\nimport type { w } from "../execution/worker.ts";\n',
    "src/execution/y.ts": 'const a = await import("../http/x.ts");\n',
  };
  assert.equal(check(files), [
    `src/http/x.ts:3 imports ../execution/worker.ts: ${APART}`,
    `src/execution/y.ts:1 imports ../http/x.ts: ${APART}`,
  ]);
});

test("checkImports() lets only Redis drivers touch the client", () => {
  const text = 'import { createClient } from "redis";\nimport type { Json } from "@redis/json";\n';
  for (const path of ["main.ts", "redis/a.ts", "log/redis_log.ts", "log/redis/a.ts", "session/redis.ts"]) {
    assert.equal(check({ [`src/${path}`]: text }), [], path);
  }
  assert.equal(check({ "src/log/redistribute/x.ts": 'import "redistribute";\n' }), []);
  assert.equal(check({ "src/http/health.ts": text }), [
    `src/http/health.ts:1 imports redis: ${CLIENT}`,
    `src/http/health.ts:2 imports @redis/json: ${CLIENT}`,
  ]);
});

test("checkImports() lets Node's own modules in at few places", () => {
  const text = 'import { readFile } from "node:fs/promises";\n';
  assert.equal(check({ "src/main.ts": text, "src/redis/a.ts": text, "src/nodes/guarded_fetch.ts": text }), []);
  assert.equal(check({ "src/cli/a.ts": text }), []);
  assert.equal(check({ "src/config.ts": text }), [`src/config.ts:1 imports node:fs/promises: ${NODE}`]);
  assert.equal(check({ "src/app.ts": 'import "fs";\n' }), [`src/app.ts:1 imports fs: ${NODE}`]);
});

test("checkImports() refuses barrels, and files outside of src/", () => {
  assert.equal(check({ "src/log/mod.ts": 'export * from "./port.ts";\nexport * as port from "./port.ts";\n' }), [
    "src/log/mod.ts:1 imports ./port.ts: no barrels: export names, from the file that has them",
  ]);
  assert.equal(check({ "src/log/a.ts": 'import { x } from "../../tests/x.ts";\n' }), [
    "src/log/a.ts:1 imports ../../tests/x.ts: src/ imports nothing from outside of it",
  ]);
});

test("checkImports() finds cycles between folders, but not of types", () => {
  const files = {
    "src/log/a.ts": 'import { b } from "../workflow/b.ts";\n',
    "src/workflow/b.ts": 'import {\n  c,\n} from "../nodes/c.ts";\n',
    "src/nodes/c.ts": 'import type { a } from "../log/a.ts";\n',
  };
  assert.equal(check(files), []);
  assert.equal(check({ ...files, "src/nodes/d.ts": 'import { a } from "../log/a.ts";\n' }), [
    "src/nodes/d.ts:1 imports ../log/a.ts: closes the cycle log → workflow → nodes → log",
  ]);
});

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
