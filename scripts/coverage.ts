/**
 * Line coverage of src/, from the data that V8 wrote in the test processes and their child processes.
 */
import { readdir, readFile } from "node:fs/promises";
import { type CheckResult, runCheck } from "./static_checks.ts";

/** The share of the lines of src/ that the tests must reach, in percent. */
export const LINE_COVERAGE_FLOOR = 85;

/** Checks what the processes wrote to `dir` against the floor; coverage/lcov.info gets all of it. */
export async function checkCoverage(dir: string): Promise<CheckResult> {
  const excluded = (await filesOfTypes()).flatMap((path) => ["--exclude", path]);
  const result = await runCheck(`coverage (at least ${LINE_COVERAGE_FLOOR}% of the lines)`, process.execPath, [
    ...["node_modules/c8/bin/c8.js", "report", "--temp-directory", dir],
    ...["--all", "--src", "src", "--include", "src/**", ...excluded],
    ...["--reporter", "text", "--reporter", "lcovonly"],
    ...["--check-coverage", "--lines", String(LINE_COVERAGE_FLOOR)],
  ]);
  const lines = result.output.match(/^All files(?: *\|[^|]*){3} *\| *([\d.]+)/m)?.[1];
  return lines === undefined ? { ...result, passed: false } : { ...result, detail: `${lines}%` };
}

/** Files with type declarations only, which have no code to cover. */
async function filesOfTypes(): Promise<string[]> {
  const names = (await readdir("src", { recursive: true })).filter((name) => name.endsWith(".ts"));
  const paths: string[] = [];
  for (const name of names) {
    const code = (await readFile(`src/${name}`, "utf8")).replace(/\/\*[^]*?\*\//g, "");
    const runs = /^(export )?(const|let|var|function|async|class|abstract|enum|default|await|for|if)\b|^\w+[.(]/m;
    if (!runs.test(code)) paths.push(`src/${name.replaceAll("\\", "/")}`);
  }
  return paths;
}
