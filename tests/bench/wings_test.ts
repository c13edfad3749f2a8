// timeout: 240
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withoutCoverage } from "../../scripts/command.ts";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { measureReads } from "../../scripts/wings/measures.ts";

test("npm run bench:wings reads what it says, next to a bare GET", async () => {
  const args = [...TYPESCRIPT, "scripts/bench_wings.ts", "--reads", "10", "--rounds", "2"];
  const env = withoutCoverage();
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => output += text);
  child.stderr.setEncoding("utf8").on("data", (text) => output += text);
  const [code] = await once(child, "close");
  assert.is(code, 0, output);
  for (const name of ["Redis GET", "sessions.get()", "GET /api/sessions/bench", "GET /api/locks/bench"]) {
    assert.ok(output.includes(`| ${name} | `), output);
  }
});

test("measureReads() takes turns, and fails with a read that fails", async () => {
  const order: string[] = [];
  const kind = (name: string) => ({ name, read: () => Promise.resolve(order.push(name)) });
  const figures = await measureReads([kind("a"), kind("b")], { reads: 4, rounds: 2 });
  assert.is(order.join(""), "aabbaabb");
  assert.equal(figures.map(({ name, reads }) => [name, reads]), [["a", 4], ["b", 4]]);
  assert.ok(figures.every(({ p50, p99 }) => p50 >= 0 && p99 >= p50));
  const broken = { name: "x", read: () => Promise.reject(new Error("wrong")) };
  const error = await measureReads([broken], { reads: 1, rounds: 1 }).catch((error) => error);
  assert.is(error.message, "wrong");
});

test.run();
