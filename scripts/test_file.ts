/**
 * Runs one test file in a process of its own and judges it by what it printed, not by its exit code alone: uvu exits
 * with 0 when a hook throws, when something throws what is no `Error`, and when `run()` was forgotten.
 *
 * @example
 * ```ts
 * const { passed, failed, output } = await runTestFile("tests/config/config_test.ts", { env: process.env });
 * ```
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { TYPESCRIPT } from "./typescript/loader.ts";

/** The result of a test file. */
export interface TestFileResult {
  readonly path: string;
  readonly passed: number;
  /** At least 1 where `problem` is set. */
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** Why it failed, beyond what its tests say. */
  readonly problem?: string;
  /** All that it printed. */
  readonly output: string;
}

/** Options of {@linkcode runTestFile}. */
export interface TestFileOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Time after which it is killed, in seconds. Default 240, or `// timeout: <seconds>` in its first five lines. */
  readonly timeoutSeconds?: number;
  /** By how much that is multiplied on this machine, 1 by default: see {@linkcode slowness}. */
  readonly slowness?: number;
  /** The arguments of Node that start it, where it was made (`scripts/typescript/tests.ts`). Default: it is loaded as it is. */
  readonly start?: readonly string[];
}

/** What the first five lines of a test file ask for. */
export interface TestFileNeeds {
  readonly timeoutSeconds?: number;
  /** `// not quick: <why>`: it waits for leases and outages, or tries very many cases. */
  readonly notQuick: boolean;
  /** `// postgres`: it wants a PostgreSQL. */
  readonly postgres: boolean;
  /** A test was left with `.only()`: all the others would silently not run. */
  readonly only: boolean;
}

/** What uvu says at the end of a run. */
export interface Counts {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

const GRACE_MS = 1000;
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) killGroup(child);
});

/** Reads what a test file asks for. */
export async function testFileNeeds(path: string): Promise<TestFileNeeds> {
  const text = await readFile(path, "utf8");
  const head = text.split("\n", 5).join("\n");
  const timeout = head.match(/^\/\/ timeout: (\d+)$/m)?.[1];
  return {
    ...(timeout === undefined ? {} : { timeoutSeconds: Number(timeout) }),
    notQuick: /^\/\/ not quick: \S/m.test(head),
    postgres: /^\/\/ postgres\b/m.test(head),
    only: /^\s*\w+\.only\(/m.test(text),
  };
}

/** The sums of uvu's summaries in `output`; `undefined` when there is none. */
export function readCounts(output: string): Counts | undefined {
  // deno-lint-ignore no-control-regex -- uvu colours its numbers
  const plain = output.replace(/\x1b\[\d+m/g, "");
  const summaries = [
    ...plain.matchAll(/^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n {2}Duration: /gm),
  ];
  if (summaries.length === 0) return undefined;
  const sum = (group: number) => summaries.reduce((total, match) => total + Number(match[group]), 0);
  return { total: sum(1), passed: sum(2), skipped: sum(3) };
}

/** Runs the test file at `path` to its end, or to its timeout. */
export async function runTestFile(path: string, options: TestFileOptions): Promise<TestFileResult> {
  const needs = await testFileNeeds(path);
  const timeoutSeconds = Math.ceil((needs.timeoutSeconds ?? options.timeoutSeconds ?? 240) * (options.slowness ?? 1));
  const start = performance.now();
  let output = "";
  // A process group of its own, so that what the test started dies with it.
  const child = spawn(process.execPath, options.start ?? [...TYPESCRIPT, path], {
    env: options.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  child.stdout.setEncoding("utf8").on("data", (text) => output += text);
  child.stderr.setEncoding("utf8").on("data", (text) => output += text);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, timeoutSeconds * 1000);
  const closed = once(child, "close");
  closed.catch(() => {});
  await once(child, "exit");
  clearTimeout(timer);
  await Promise.race([closed, sleep(GRACE_MS, undefined, { ref: false })]);
  killGroup(child);
  await closed;
  running.delete(child);

  const counts = readCounts(output) ?? { total: 0, passed: 0, skipped: 0 };
  const problem = timedOut
    ? `killed after ${timeoutSeconds} s`
    : needs.only
    ? "a test was left with .only()"
    : problemOf(counts, { code: child.exitCode, signal: child.signalCode });
  return {
    path,
    passed: counts.passed,
    failed: Math.max(counts.total - counts.passed, problem === undefined ? 0 : 1),
    skipped: counts.skipped,
    seconds: (performance.now() - start) / 1000,
    ...(problem === undefined ? {} : { problem }),
    output,
  };
}

/** uvu counts skipped tests apart from its total, so all is well only if as many passed as there were; all may be skipped. */
function problemOf(
  { total, passed, skipped }: Counts,
  { code, signal }: { code: number | null; signal: NodeJS.Signals | null },
): string | undefined {
  if (total === 0 && skipped === 0) return `no test ran (exit code ${code ?? signal}): is test.run() missing?`;
  if (passed !== total) return `${total - passed} of ${total} did not pass`;
  if (code !== 0) return `all passed, but the exit code is ${code ?? signal}`;
  return undefined;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody is left in the group.
  }
}
