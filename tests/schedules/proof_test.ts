// timeout: 180
/**
 * The short form of `npm run prove:schedules`: each time once, though a scheduler is killed.
 */
import { spawn } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withoutCoverage } from "../../scripts/command.ts";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";

function command(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...TYPESCRIPT, "scripts/prove_schedules.ts", ...args], {
      env: withoutCoverage(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (data) => output += data);
    child.stderr.on("data", (data) => output += data);
    child.on("close", (code) => resolve({ code, output }));
  });
}

test("every time of 40 schedules is started once, while a scheduler of two is killed", async () => {
  const { code, output } = await command([
    ...["--schedules", "40", "--seconds", "12", "--schedulers", "2", "--kill-every", "4"],
  ]);
  assert.is(code, 0, output);
  assert.match(output, /\| \d{3,} \| 0 \| 0 \| 0 \|/);
});

test("a wrong flag is refused in one line", async () => {
  const { code, output } = await command(["--seconds", "1"]);
  assert.is(code, 2);
  assert.is(output, '--seconds must be a whole number from 5 on, not "1" (see --help)\n');
});

test.run();
