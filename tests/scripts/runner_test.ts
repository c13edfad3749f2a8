// not quick: it runs this command itself
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withoutCoverage } from "../../scripts/command.ts";
import { slowness } from "../../scripts/slowness.ts";
import { readCounts, runTestFile, testFileNeeds } from "../../scripts/test_file.ts";

const UVU = `import { suite, test } from ${JSON.stringify(import.meta.resolve("uvu"))};\n`;

let dir = "";
let files = 0;
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), "millrace-runner-"));
});
test.after(() => rm(dir, { recursive: true, force: true }));

async function fileOf(source: string): Promise<string> {
  const path = join(dir, `${files++}.mts`);
  await writeFile(path, source);
  return path;
}

async function run(body: string, timeoutSeconds = 120) {
  const env = withoutCoverage();
  return await runTestFile(await fileOf(UVU + body), { env, timeoutSeconds });
}

test("runTestFile() counts the tests of all suites, and skipped ones apart", async () => {
  const result = await run(`
    const other = suite("other");
    test("a", () => {}); test("b", () => {}); test.skip("c", () => {}); test.run();
    other("d", () => {}); other.run();`);
  assert.equal([result.passed, result.failed, result.skipped, result.problem], [3, 0, 1, undefined]);
});

test("runTestFile() takes a file whose tests are all skipped as one without failures", async () => {
  const result = await run(`test.skip("a", () => {}); test.skip("b", () => {}); test.run();`);
  assert.equal([result.passed, result.failed, result.skipped, result.problem], [0, 0, 2, undefined]);
});

const BAD = [
  ["a test fails", `test("a", () => {}); test("b", () => { throw new Error("no"); }); test.run();`, /1 of 2 did not/],
  ["a before hook throws", `test.before(() => { throw new Error("no"); }); test("a", () => {}); test.run();`, /1 of 1/],
  [
    "an after.each hook throws",
    `test.after.each(() => { throw new Error("no"); }); test("a", () => {}); test.run();`,
    /1 of 1 did not pass/,
  ],
  ["an after hook throws", `test.after(() => { throw new Error("no"); }); test("a", () => {}); test.run();`, /./],
  ["a test throws what is no Error", `test("a", () => { throw "no"; }); test.run();`, /1 of 1 did not pass/],
  ["run() was forgotten", `test("a", () => {});`, /no test ran .* is test\.run\(\) missing\?/],
  ["there are no tests", `test.run();`, /no test ran/],
  ["nothing can be loaded", `import "./missing.ts";`, /no test ran \(exit code 1\)/],
  [
    "a test never ends",
    `test("a", () => new Promise(() => setTimeout(() => {}, 60_000))); test.run();`,
    /after 1 s/,
    1,
  ],
  ["a test waits for nothing", `test("a", () => new Promise(() => {})); test.run();`, /no test ran \(exit code 1\)/],
  ["a test ends the process", `test("a", () => process.exit(0)); test.run();`, /no test ran/],
  ["it fails after its tests", `test("a", () => { setTimeout(() => { throw 1; }, 50); }); test.run();`, /exit code/],
  ["a test was left alone", `\ntest.only("a", () => {}); test.run();`, /\.only\(\)/],
] as const;

for (const [what, source, problem, timeoutSeconds] of BAD) {
  test(`runTestFile() fails when ${what}`, async () => {
    const result = await run(source, timeoutSeconds);
    assert.match(result.problem ?? "nothing", problem);
    assert.ok(result.failed > 0);
  });
}

test("runTestFile() gives a slow machine more time", async () => {
  const env = withoutCoverage();
  const path = await fileOf(`${UVU}test("a", () => new Promise(() => setTimeout(() => {}, 60_000))); test.run();`);
  const { problem } = await runTestFile(path, { env, timeoutSeconds: 1, slowness: 1.5 });
  assert.is(problem, "killed after 2 s");
});

test("slowness() is never below 1, and no more than twenty", () => {
  for (let i = 0; i < 5; i++) assert.ok(slowness() >= 1 && slowness() <= 20);
});

test("runTestFile() ends what a test started and left behind", async () => {
  const result = await run(`
    import { spawn } from "node:child_process";
    test("a", () => { spawn("sleep", ["600"], { stdio: "inherit" }); });
    test.run();
    setTimeout(() => process.exit(), 300);`);
  // It ends once nobody holds its output, so the sleeper is gone.
  assert.equal([result.passed, result.failed, result.problem], [1, 0, undefined]);
});

test("testFileNeeds() reads the first five lines", async () => {
  assert.equal(await testFileNeeds(await fileOf("// timeout: 300\n// postgres\n")), {
    timeoutSeconds: 300,
    notQuick: false,
    postgres: true,
    only: false,
  });
  assert.equal(await testFileNeeds(await fileOf("\n\n\n\n\n// postgres\n")), {
    notQuick: false,
    postgres: false,
    only: false,
  });
  assert.ok((await testFileNeeds(await fileOf("// not quick: it waits\n"))).notQuick);
});

test("readCounts() reads coloured numbers, and nothing from other text", () => {
  assert.is(readCounts("  Total: many\n"), undefined);
  const text = "\n  Total:     4\x1b[32m\n  Passed:    3\x1b[39m\n  Skipped:   \x1b[33m2\x1b[39m\n  Duration:  5ms\n";
  assert.equal(readCounts(text + text), { total: 8, passed: 6, skipped: 4 });
});

test.run();
