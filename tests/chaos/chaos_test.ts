// timeout: 900
/**
 * The chaos run: a short form that must come out clean, and planted bugs, which must not.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BreachKind } from "../../scripts/chaos/breach.ts";
import type { PlantName } from "../../scripts/chaos/plants.ts";
import { withoutCoverage } from "../../scripts/command.ts";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { harmfulTest } from "../support/faulty_redis.ts";

const test = suite("npm run chaos");
const folder = mkdtempSync(join(tmpdir(), "millrace-chaos-test-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Two planted bugs that show soonest: in a scene, and in the keys at the end. `npm run chaos -- --mutations both` has all. */
const PLANTED: readonly PlantName[] = ["key-not-kept", "log-for-ever"];

/** A round each of the faults that harm most, and of a scene; `npm run chaos` has all. */
const FAULTS = ["kill-worker", "kill-local", "cut-all", "kill-redis", "rewind", "scene-one-key"];

/** The run stops and kills its Redis, which signals cannot do to one in a container. */
const faulty = await harmfulTest(test);

faulty("every promise is kept through faults and scenes", async () => {
  const { code, output, sums } = await chaos("clean", [
    ...["--seed", "12", "--only", FAULTS.join(","), "--rounds", String(FAULTS.length)],
    ...["--callers", "12", "--within", "30", "--partitions", "3"],
  ]);
  assert.is(code, 0, output);
  assert.is(sums.rounds, FAULTS.length);
  assert.ok(sums.executions >= 12, `${sums.executions} executions`);
});

for (const plant of PLANTED) {
  faulty(`the planted bug "${plant}" is found`, async () => {
    const { code, output } = await chaos(plant, ["--seed", "1", "--plant", plant]);
    assert.is(code, 1, output);
  });
}

test("a wrong flag is refused in one line", async () => {
  for (
    const [args, message] of [
      [["--only", "rain"], /^chaos: --only must be one of .*, not "rain"\n$/],
      [["--plant", "rain"], /^chaos: --plant must be one of .*, not "rain"\n$/],
      [["--rounds", "0"], /^chaos: --rounds must be a whole number from 1 on, not "0"\n$/],
      [["--storm"], /^chaos: Unknown option '--storm'\n$/],
    ] as const
  ) {
    const { code, output } = await command(args);
    assert.is(code, 2);
    assert.match(output, message);
  }
  const { code, output } = await command([], { REDIS_URL: "redis://127.0.0.1:6379" });
  assert.is(code, 2);
  assert.match(output, /^chaos: REDIS_URL is set, but the Redis of this run is killed: unset it\n$/);
});

test.run();

type Sums = Record<BreachKind, number> & { executions: number; rounds: number };

/** A run with a verdict: one that broke off by itself is made once more. */
async function chaos(name: string, args: readonly string[]) {
  const file = join(folder, `${name}.json`);
  let result = await command([...args, "--json", file]);
  if (result.code > 1) result = await command([...args, "--json", file]);
  if (result.code > 1) throw new Error(`The run broke off twice, without a verdict:\n${result.output}`);
  return { ...result, sums: JSON.parse(readFileSync(file, "utf8")) as Sums };
}

function command(args: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const { REDIS_URL: _, ...inherited } = withoutCoverage();
    const child = spawn(process.execPath, [...TYPESCRIPT, "scripts/chaos.ts", ...args], {
      env: { ...inherited, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (data) => output += data);
    child.stderr.on("data", (data) => output += data);
    child.on("close", (code) => resolve({ code: code ?? -1, output }));
  });
}
