// timeout: 240
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { drawChart } from "../../scripts/bench/chart.ts";
import { claimsTable, comparisonClaims, isMet, nodeClaims } from "../../scripts/bench/claims.ts";
import { drive, percentile } from "../../scripts/bench/load.ts";
import type { Figures } from "../../scripts/bench/rounds.ts";
import { withoutCoverage } from "../../scripts/command.ts";
import { OptionError, readOptions } from "../../scripts/bench/options.ts";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { serve } from "./answers.ts";

const NAMES = { contenders: ["echo", "millrace"], curves: ["nodes"] };

test("npm run bench -- --short answers every caller of every contender, and prints its table", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millrace-bench-"));
  try {
    const json = join(folder, "bench.json");
    const args = [...TYPESCRIPT, "scripts/bench.ts", "--short", "--json", json];
    const env = withoutCoverage();
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => output += text);
    child.stderr.setEncoding("utf8").on("data", (text) => output += text);
    const [code] = await once(child, "close");
    assert.is(code, 0, output);
    assert.match(output, /\| Millrace, short way \| 16 \|/);
    const { figures } = JSON.parse(await readFile(json, "utf8"));
    assert.equal(figures.map(({ name }: { name: string }) => name), [
      "echo",
      "millrace",
      "processes",
      "long",
      "memory",
      "bullmq",
      "polling",
    ]);
    for (const { name, answered } of figures) assert.ok(answered > 0, `${name} answered nobody: ${output}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("drive() counts a wrong answer, a wrong status and no answer as lost", async () => {
  await using server = await serve((n, response) => {
    if (n % 4 === 1) response.destroy();
    else response.writeHead(n % 4 === 2 ? 500 : 201).end(n % 4 === 3 ? "another's" : String(n));
  });
  const target = { origin: server.url, path: "/", status: 201, body: String, answer: String };
  const { latencies, lost, firstLoss } = await drive(target, { callers: 4, seconds: 0.2 });
  const calls = latencies.length + lost;
  assert.ok(calls >= 4);
  assert.ok(Math.abs(lost - calls * 3 / 4) <= 4, `${lost} of ${calls}`);
  assert.match(firstLoss ?? "", /^call \d+: /);
});

test("drive() ends when it has as many answers as it was asked for", async () => {
  await using server = await serve((n, response) => void response.writeHead(201).end(String(n)));
  const target = { origin: server.url, path: "/", status: 201, body: String, answer: String };
  const { latencies } = await drive(target, { callers: 4, seconds: 60, answers: 20 });
  assert.ok(latencies.length >= 20 && latencies.length < 24);
});

test("claims are met from their bound on, and told of contenders that were measured", () => {
  const of = (name: Figures["name"], callers: number, rate: number, p50: number): Figures => ({
    ...{ name, callers, rate, p50, p90: p50, p99: 3 * p50, p999: p50, answered: 1, lost: 0 },
    ...{ cpu: {}, commands: 0, bytes: 0 },
  });
  const figures = [of("echo", 64, 1000, 1), of("echo", 1, 100, 1), of("long", 64, 399, 5), of("long", 1, 10, 1.6)];
  const claims = comparisonClaims(figures);
  assert.equal(claims.map((claim) => [claim.text, claim.measured, isMet(claim)]), [
    ["long way: part of the bare streams' requests/s, 64 callers", 0.399, false],
    ["long way: times the bare streams' p50, one caller", 1.6, true],
    ["long way: p99 by p50, 64 callers", 3, true],
  ]);
  assert.match(claimsTable(claims), /\| ≥ 0.4 \| 0.399 \| \*\*no\*\* \|/);
  const cost = (nodes: number) => ({ nodes, cpuMicroseconds: 300 + 50 * nodes + (nodes > 100 ? 1000 : 0) });
  const [each, growth] = nodeClaims([cost(5), cost(25), cost(85), cost(125)]);
  assert.equal([Math.round(each!.measured), Math.round(growth!.measured * 100) / 100], [58, 1.5]);
  assert.equal([isMet(each!), isMet(growth!)], [true, false]);
});

test("percentile() takes the value below which a part lies", () => {
  const values = Array.from({ length: 100 }, (_, i) => i);
  assert.is(percentile(values, 0.5), 50);
  assert.is(percentile(values, 0.999), 99);
  assert.is(percentile([7], 0.99), 7);
});

test("readOptions() names the flag that is wrong", () => {
  const refused: [string[], RegExp][] = [
    [["--callers", "1,x"], /^--callers must be whole numbers from 1 on, not "x"$/],
    [["--seconds", "0"], /^--seconds must be whole numbers from 1 on, not "0"$/],
    [["--only", "n8n"], /^--only must be one of echo, millrace, not "n8n"$/],
    [["--appendfsync", "often"], /^--appendfsync must be one of off, no, everysec, always, not "often"$/],
    [["--growth", "tails"], /^--growth must be one of nodes, not "tails"$/],
    [["--quick"], /--quick/],
    [["nodes"], /^Unknown argument "nodes"/],
  ];
  for (const [args, message] of refused) {
    assert.throws(() => readOptions(args, NAMES), (error: Error) => {
      assert.instance(error, OptionError);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.is(readOptions(["--help"], NAMES), undefined);
  assert.equal(readOptions(["--callers", "1, 64"], NAMES)?.callers, [1, 64]);
});

test("drawChart() draws every point, and no text as markup", () => {
  const series = [{ title: "a < b & c", points: [[1, 10], [64, 1000], [1000, 0]] as const }];
  const svg = drawChart([{ title: "Rates", x: "callers", unit: " ms", series }]);
  assert.is(svg.match(/<circle/g)?.length, 2);
  assert.match(svg, /a &#60; b &#38; c/);
  assert.not.match(svg, /NaN|undefined|Infinity/);
});

test("drawChart() puts two panels into a row, and a color of its own to each of eight lines", () => {
  const series = Array.from({ length: 8 }, (_, n) => ({ title: `line ${n}`, points: [[1, n + 1]] as const }));
  const svg = drawChart(["a", "b", "c"].map((title) => ({ title, x: "callers", unit: "", series })));
  assert.equal(svg.match(/translate\([^)]*\)/g), ["translate(0 0)", "translate(440 0)", "translate(0 300)"]);
  assert.is(new Set(svg.match(/<rect[^>]*fill="[^"]*"/g)?.map((rect) => rect.slice(-9))).size, 8);
});

test.run();
