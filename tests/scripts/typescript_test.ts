// not quick: it makes test files, and starts processes
/**
 * The loader that test files run under.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withoutCoverage } from "../../scripts/command.ts";
import { readPackages } from "../../scripts/typescript/hooks.js";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { makeTests } from "../../scripts/typescript/tests.ts";

function run(args: readonly string[]): string {
  const env = withoutCoverage();
  return execFileSync(process.execPath, args, { cwd: new URL("../..", import.meta.url), encoding: "utf8", env });
}

test("a package of one file gives what the package gives", () => {
  const names = JSON.stringify([...readPackages().keys()]);
  assert.ok(readPackages().size > 3);
  const script = `for (const name of ${names}) {
    const { "module.exports": _, __esModule: __, ...all } = await import(name);
    console.log(name, Object.keys(all).sort().join(), Object.keys(all.default ?? {}).sort().join());
  }`;
  const args = ["--input-type=module", "-e", script];
  assert.is(run([...TYPESCRIPT, ...args]), run(args));
});

test("src/main.ts starts as well by `npm start`, whose loader is another", () => {
  assert.match(run(["--import", "tsx", "src/main.ts", "--help"]), "REDIS_URL");
});

test("an error tells the line of the TypeScript at which it was thrown", () => {
  const line = (error: Error): number => Number(/typescript_test\.ts:(\d+):/.exec(error.stack!)?.[1]);
  // Types take lines that are not in the JavaScript.
  interface Nothing {
    readonly a: number;
  }
  const nothing: Partial<Nothing> = {};
  const [first, second] = [new Error(String(nothing.a)), new Error()].map(line);
  assert.is(first, second);
  const lines = readFileSync(new URL(import.meta.url), "utf8").split("\n");
  assert.is(first, 1 + lines.findIndex((text) => text.includes("const [first, second]")));
});

test("makeTests() makes files that start threads, read beside their sources, and tell their lines", async () => {
  const { start, folder } = await makeTests(["tests/scripts/made.ts"]);
  try {
    assert.match(run(start("tests/scripts/made.ts")), /^42 const \[, line\] = .*new Error/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
