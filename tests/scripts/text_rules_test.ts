import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkTestFolders, checkTexts } from "../../scripts/text_rules.ts";

function check(files: Record<string, string>): string[] {
  return checkTexts(new Map(Object.entries(files)));
}

const LUA = "Lua stands in src/storage/redis/scripts/ alone";
const STATUS = "HTTP statuses stand in src/http/ alone";

test("checkTexts() names the line of a script that stands outside of the scripts' folder", () => {
  for (const line of ["redis.call('GET', key)", "redis.pcall('XADD')", "local key = KEYS[1]", "local id = ARGV[2]"]) {
    const text = `const BODY = \`\n${line}\n\`;\n`;
    assert.equal(check({ "src/storage/redis/timers.ts": text }), [`src/storage/redis/timers.ts:2: ${LUA}`], line);
    assert.equal(check({ "src/storage/redis/scripts/wake.ts": text, "scripts/chaos/plant.ts": text }), [], line);
  }
});

test("checkTexts() names the line of an HTTP status outside of http/", () => {
  const lines = [
    "return { status: 503 };",
    "if (response.status === 404) return;",
    "if (status >= 500) retry();",
    " * Throws `queue_full` (503).",
  ];
  for (const line of lines) {
    assert.equal(check({ "src/engine/run.ts": `${line}\n` }), [`src/engine/run.ts:1: ${STATUS}`], line);
    const homes = ["src/http/webhook/respond.ts", "src/nodes/http_request.ts", "src/cli/api_client.ts", "scripts/a.ts"];
    assert.equal(check(Object.fromEntries(homes.map((file) => [file, `${line}\n`]))), [], line);
  }
  assert.equal(check({ "src/engine/run.ts": 'state.status = "failed";\nconst ms = 404;\n' }), []);
});

test("checkTexts() names a file of more than 250 lines, and a port of more than 100", () => {
  const store = 'import type { Log } from "../execution/log.ts";\n';
  const files = (lines: number, portLines: number) => ({
    "src/storage/store.ts": store,
    "src/engine/long.ts": "\n".repeat(lines),
    "scripts/bench.ts": "\n".repeat(lines),
    "src/execution/log.ts": "\n".repeat(portLines),
  });
  assert.equal(check(files(250, 100)), []);
  assert.equal(check(files(251, 101)), [
    "src/engine/long.ts has 251 lines: past 250, look for the second idea in it",
    "scripts/bench.ts has 251 lines: past 250, look for the second idea in it",
    "src/execution/log.ts has 101 lines: a port has 100",
  ]);
});

test("checkTexts() names a member of exported options that has no comment", () => {
  const text = [
    "interface OwnOptions {",
    "  readonly free: number;",
    "}",
    "export interface RunOptions extends OwnOptions {",
    "  /** Milliseconds; 10 by default. */",
    "  readonly waitMs?: number;",
    "  readonly log: { readonly name: string };",
    "  /** Hears of errors. */",
    "  onError?(error: unknown): void;",
    "  stop(): void;",
    "}",
    "export interface Run {",
    "  readonly free: number;",
    "}",
  ].join("\n");
  const missing = (line: number, member: string) =>
    `src/engine/run.ts:${line}: RunOptions.${member} has no comment that says its meaning, unit and default`;
  assert.equal(check({ "src/engine/run.ts": text, "scripts/run.ts": text }), [missing(7, "log"), missing(10, "stop")]);
});

test("checkTestFolders() names a folder of tests that mirrors none of src", () => {
  const sources = new Set(["storage", "storage/redis"]);
  assert.equal(checkTestFolders(["storage", "storage/redis", "end_to_end", "support"], sources), []);
  assert.equal(checkTestFolders(["storage/disk"], sources), [
    "tests/storage/disk: tests mirror src/, which has no such folder",
  ]);
});

test.run();
