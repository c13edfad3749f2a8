/**
 * What the test command prints: a line a check or file, the whole output of what failed, and the sums at the end.
 */
import type { CheckResult } from "./static_checks.ts";
import type { TestFileResult } from "./test_file.ts";

/** Collects results, and prints each as it comes. */
export class TestReport {
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  readonly #failures: string[] = [];

  /** Whether anything has failed so far. */
  get hasFailed(): boolean {
    return this.#failed > 0;
  }

  /** A check counts as one. */
  addCheck({ name, passed, seconds, output, detail = "" }: CheckResult): void {
    if (passed) this.#passed++;
    else this.#failed++;
    this.#line(passed, name, { text: passed ? detail : "failed", seconds });
    if (!passed) this.#failure(name, output);
  }

  /** A test file counts as its tests. */
  addFile({ path, passed, failed, skipped, seconds, problem, output }: TestFileResult): void {
    this.#passed += passed;
    this.#failed += failed;
    this.#skipped += skipped;
    this.#line(failed === 0, path, { text: counts(passed, failed, skipped), seconds });
    if (failed > 0) this.#failure(`${path}: ${problem ?? "failed"}`, output);
  }

  /** The last lines: what failed, then the sums. */
  end(summary: readonly string[]): void {
    console.log();
    for (const line of summary) console.log(line);
    if (this.#failures.length > 0) console.log("Failed:");
    for (const failure of this.#failures) console.log(`  ${failure}`);
    if (this.#passed + this.#failed === 0) {
      console.log("Nothing ran");
      this.#failed = 1;
    }
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : "";
    console.log(`${this.#passed} passed, ${this.#failed} failed${skipped}`);
  }

  #line(passed: boolean, name: string, { text, seconds }: { text: string; seconds: number }): void {
    console.log(`${passed ? "ok  " : "FAIL"}  ${name.padEnd(52)} ${text.padEnd(12)} ${seconds.toFixed(1)} s`);
  }

  #failure(title: string, output: string): void {
    this.#failures.push(title);
    const lines = output.trimEnd().split("\n").map((line) => `    ${line}`.trimEnd());
    console.log(`\n  ${title}\n\n${lines.join("\n")}\n`);
  }
}

function counts(passed: number, failed: number, skipped: number): string {
  return `${passed} passed${failed > 0 ? `, ${failed} failed` : ""}${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
