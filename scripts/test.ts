/**
 * Every check and every test, from one command: `./scripts/test --help`.
 */
import { rmSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkCoverage, LINE_COVERAGE_FLOOR } from "./coverage.ts";
import { exitOnSignals } from "./leftovers.ts";
import { slowness } from "./slowness.ts";
import { runStaticChecks } from "./static_checks.ts";
import { runTestFile, testFileNeeds } from "./test_file.ts";
import { providePostgres, provideRedis } from "./test_servers.ts";
import { TestReport } from "./test_report.ts";
import { makePackages } from "./typescript/packages.ts";
import { makeProgram } from "./typescript/program.ts";
import { type MadeTests, makeTests } from "./typescript/tests.ts";

/** How many test files run at once: they wait for Redis and for times more than they compute. */
const PARALLEL_FILES = 3 * Math.max(2, availableParallelism());
/** How many of them, at most, start whole instances: each of those keeps processes of its own busy. */
const PARALLEL_SITES = Math.max(1, Math.floor(availableParallelism() / 2)) + 1;
/** What `--quick` leaves out: whatever starts whole instances, and what says so of itself. */
const NOT_QUICK = /^tests\/(end_to_end|chaos|bench|schedules\/proof)/;
const SITES = /^tests\/(end_to_end|chaos)\//;

const HELP = `Usage: ./scripts/test [options]

Checks formatting, lint, types and import rules, runs every tests/**/*_test.ts against a Redis of its own, measures
coverage (at least ${LINE_COVERAGE_FLOOR}% of the lines) and ends with a line "N passed, N failed". Exit code 1 on any failure.

  --quick         static checks, unit and contract tests: no end-to-end tests, no chaos, no benchmarks, no outages, no
                  coverage; less than two minutes on two cores
  --only <text>   run only the test files whose path contains this text, and no other checks; may be repeated
  --no-coverage   do not measure coverage
  --bail          stop after the first failure
  -h, --help      this text

No test fails because the machine is slow: a file that hangs is killed after a time (four minutes, or what its first
lines say) that is multiplied by how slow this machine is at the moment at which the file is started.

REDIS_URL       use this Redis instead of one of its own (keys are prefixed t-, and removed)
DATABASE_URL    use this PostgreSQL instead of one of its own (its user may make databases; they are named t_, and removed)
`;

const options = readOptions();
// What runs is killed by the exit handlers of the modules that started it.
exitOnSignals();
if (options.help) console.log(HELP);
else process.exitCode = await main();

function readOptions() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        "no-coverage": { type: "boolean", default: false },
        bail: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(1);
  }
}

async function main(): Promise<number> {
  const report = new TestReport();
  const partial = options.only.length > 0;
  if (!partial) await runStaticChecks((result) => report.addCheck(result));
  if (options.bail && report.hasFailed) return end(report, []);

  const paths = await testFiles();
  await makePackages();
  const program = paths.some((path) => SITES.test(path)) ? await makeProgram() : undefined;
  if (program) process.on("exit", () => rmSync(program.folder, { recursive: true, force: true }));
  await using redis = await provideRedis();
  await using postgres = await providePostgres(paths);
  const env = { ...testEnvironment(), ...(program && { TEST_PROGRAM: program.main }), ...redis.env, ...postgres.env };
  const coverage = partial || options.quick || options["no-coverage"]
    ? undefined
    : await mkdtemp(join(tmpdir(), "millrace-coverage-"));
  if (coverage) process.on("exit", () => rmSync(coverage, { recursive: true, force: true }));
  // Lines are counted in sources that are loaded one by one.
  const made = coverage ? undefined : await makeTests(paths);
  if (made) process.on("exit", () => rmSync(made.folder, { recursive: true, force: true }));
  await runFiles(paths, { env: coverage ? { ...env, NODE_V8_COVERAGE: coverage } : env, report, made });
  if (coverage && !(options.bail && report.hasFailed)) report.addCheck(await checkCoverage(coverage));
  return end(report, [...redis.summary, ...postgres.summary]);
}

function end(report: TestReport, summary: readonly string[]): number {
  report.end([`Node.js ${process.version}`, ...summary]);
  return report.hasFailed ? 1 : 0;
}

/** Our own environment without what would set up the code under test, or change how uvu prints. */
function testEnvironment(): NodeJS.ProcessEnv {
  const { FORCE_COLOR: _, ...env } = process.env;
  for (const name of Object.keys(env)) {
    if (name.startsWith("REDIS_") || name.startsWith("TEST_REDIS_") || name === "DATABASE_URL") delete env[name];
  }
  return { ...env, NO_COLOR: "1" };
}

async function testFiles(): Promise<string[]> {
  const names = await readdir("tests", { recursive: true });
  const paths = names.filter((name) => name.endsWith("_test.ts")).map((name) => `tests/${name.replaceAll("\\", "/")}`);
  const { only, quick } = options;
  const wanted = paths.filter((path) => only.length === 0 || only.some((text) => path.includes(text)));
  if (!quick) return wanted.sort();
  const needs = await Promise.all(wanted.map(testFileNeeds));
  return wanted.filter((path, n) => !NOT_QUICK.test(path) && !needs[n]!.notQuick).sort();
}

/**
 * Runs the files, {@linkcode PARALLEL_FILES} at once, those first that may take longest, and among them those that start
 * whole instances, {@linkcode PARALLEL_SITES} at once.
 */
async function runFiles(
  paths: readonly string[],
  { env, report, made }: { env: NodeJS.ProcessEnv; report: TestReport; made: MadeTests | undefined },
): Promise<void> {
  const files = await Promise.all(paths.map(async (path) => ({ path, ...await testFileNeeds(path) })));
  files.sort((a, b) => (b.timeoutSeconds ?? 0) - (a.timeoutSeconds ?? 0));
  const shared = files.filter(({ path }) => !SITES.test(path));
  const sites = files.filter(({ path }) => SITES.test(path));
  const work = async (...queues: { path: string }[][]) => {
    const next = () => queues.find((queue) => queue.length > 0)?.shift();
    for (let file = next(); file !== undefined; file = next()) {
      if (options.bail && report.hasFailed) return;
      const start = made?.start(file.path);
      report.addFile(await runTestFile(file.path, { env, slowness: slowness(), ...(start && { start }) }));
    }
  };
  await Promise.all(
    Array.from({ length: PARALLEL_FILES }, (_, n) => n < PARALLEL_SITES ? work(sites, shared) : work(shared)),
  );
}
