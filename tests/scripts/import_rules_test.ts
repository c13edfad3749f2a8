import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkImports } from "../../scripts/import_rules.ts";

function check(files: Record<string, string>): string[] {
  return checkImports(new Map(Object.entries(files)));
}

const CLIENT = "only src/storage/redis/connection/ touches the client";
const NODE = "Node's own modules are for the edges of src/ only";

test("checkImports() names the direction that an import breaks, types and inner folders included", () => {
  const broken: [file: string, specifier: string, message: string][] = [
    ["src/engine/a.ts", "../http/webhook/b.ts", "engine may not import from http/webhook"],
    ["src/http/webhook/a.ts", "../../engine/b.ts", "http/webhook may not import from engine"],
    ["src/http/protocol/a.ts", "../api/b.ts", "http/protocol may not import from http/api"],
    ["src/http/api/a.ts", "../../storage/redis/keys.ts", "http/api may not import from storage/redis"],
    ["src/storage/memory/a.ts", "../redis/keys.ts", "storage/memory may not import from storage/redis"],
    ["src/storage/redis/connection/a.ts", "../keys.ts", "storage/redis/connection may not import from storage/redis"],
    ["src/workflow/a.ts", "../execution/event.ts", "workflow may not import from execution"],
    ["src/lib/a.ts", "../config/config.ts", "lib may not import from config"],
    ["src/attic/a.ts", "../workflow/graph.ts", "attic is no room of scripts/import_rules.ts"],
  ];
  for (const [file, specifier, message] of broken) {
    for (const word of ["import { b }", "import type { b }", "export { b }"]) {
      assert.equal(check({ [file]: `${word} from "${specifier}";\n` }), [`${file}:1 imports ${specifier}: ${message}`]);
    }
    assert.equal(check({ [file]: `const b = await import("${specifier}");\n` }), [
      `${file}:1 imports ${specifier}: ${message}`,
    ]);
  }
});

test("checkImports() lets every room have lib, and main.ts everything", () => {
  assert.equal(check({ "src/http/api/a.ts": 'import { b } from "../../lib/json.ts";\n' }), []);
  assert.equal(check({ "src/main.ts": 'import { b } from "./storage/redis/store.ts";\n' }), []);
});

test("checkImports() lets only the connection touch the client", () => {
  const text = 'import { createClient } from "redis";\nimport type { Json } from "@redis/json";\n';
  assert.equal(check({ "src/storage/redis/connection/client.ts": text }), []);
  assert.equal(check({ "src/lib/a.ts": 'import "redistribute";\n' }), []);
  for (const file of ["src/main.ts", "src/http/api/health.ts", "src/storage/redis/documents.ts"]) {
    assert.equal(check({ [file]: text }), [
      `${file}:1 imports redis: ${CLIENT}`,
      `${file}:2 imports @redis/json: ${CLIENT}`,
    ]);
  }
});

test("checkImports() lets Node's own modules in at few places", () => {
  const text = 'import { readFile } from "node:fs/promises";\n';
  assert.equal(check({ "src/main.ts": text, "src/http/server.ts": text, "src/nodes/guarded_fetch.ts": text }), []);
  assert.equal(check({ "src/config/config.ts": text }), [`src/config/config.ts:1 imports node:fs/promises: ${NODE}`]);
  assert.equal(check({ "src/http/app.ts": 'import "fs";\n' }), [`src/http/app.ts:1 imports fs: ${NODE}`]);
});

test("checkImports() refuses barrels, and files outside of src/", () => {
  assert.equal(check({ "src/lib/mod.ts": 'export * from "./json.ts";\nexport * as json from "./json.ts";\n' }), [
    "src/lib/mod.ts:1 imports ./json.ts: no barrels: export names, from the file that has them",
  ]);
  assert.equal(check({ "src/lib/a.ts": 'import { x } from "../../tests/x.ts";\n' }), [
    "src/lib/a.ts:1 imports ../../tests/x.ts: src/ imports nothing from outside of it",
  ]);
});

test("checkImports() finds circles of rooms, types included", () => {
  const files = {
    "src/feed/a.ts": 'import { b } from "../workflow/b.ts";\n',
    "src/workflow/b.ts": 'import {\n  c,\n} from "../expression/c.ts";\n',
  };
  assert.equal(check(files), []);
  assert.equal(check({ ...files, "src/expression/d.ts": 'import type { a } from "../feed/a.ts";\n' }), [
    "src/expression/d.ts:1 imports ../feed/a.ts: expression may not import from feed",
    "src/expression/d.ts:1 imports ../feed/a.ts: closes the circle feed → workflow → expression → feed",
  ]);
});

test.run();
