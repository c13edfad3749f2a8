// timeout: 240
// serial
/**
 * The chaos run: a short form that must come out clean, and each planted bug, which must not.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BreachKind } from "../../scripts/chaos/breach.ts";
import { harmfulTest } from "../support/faulty_redis.ts";
import { PLANT_NAMES, type PlantName } from "../../scripts/chaos/plants.ts";

const test = suite("npm run chaos");
const folder = mkdtempSync(join(tmpdir(), "millrace-chaos-test-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** What each planted bug must be found by. */
const FOUND_BY: Record<PlantName, BreachKind> = {
  "ack-early": "lost",
  "no-fence": "duplicated",
  "dollar-cursor": "wedged",
  "plain-trim": "leaked",
  "no-pel-drain": "wedged",
};

/** The run stops and kills its Redis, which signals cannot do to one in a container. */
const faulty = await harmfulTest(test);

faulty("every promise is kept through one fault of each kind", async () => {
  const { code, output, sums } = await chaos("clean", ["--seed", "12", "--rounds", "16", "--within", "12"]);
  assert.is(code, 0, output);
  assert.is(sums.faults.length, 16);
  assert.ok(sums.executions > 1000, `${sums.executions} executions`);
});

faulty("each planted bug is found, and the table names the breach", async () => {
  const queue = [...PLANT_NAMES];
  const next = async () => {
    for (let plant = queue.shift(); plant !== undefined; plant = queue.shift()) {
      const { code, output, sums } = await chaos(plant, ["--seed", "1", "--plant", plant]);
      assert.is(code, 1, `${plant}: ${output}`);
      assert.ok(sums[FOUND_BY[plant]] > 0, `${plant} is not found as ${FOUND_BY[plant]}: ${output}`);
    }
  };
  await Promise.all([next(), next()]);
});

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

type Sums = Record<BreachKind, number> & { executions: number; faults: unknown[] };

async function chaos(name: string, args: readonly string[]) {
  const file = join(folder, `${name}.json`);
  const result = await command([...args, "--json", file]);
  if (result.code > 1) throw new Error(result.output);
  return { ...result, sums: JSON.parse(readFileSync(file, "utf8")) as Sums };
}

function command(args: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const { NODE_V8_COVERAGE: _, REDIS_URL: __, ...inherited } = process.env;
    const child = spawn(process.execPath, ["--import", "tsx", "scripts/chaos.ts", ...args], {
      env: { ...inherited, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (data) => output += data);
    child.stderr.on("data", (data) => output += data);
    child.on("close", (code) => resolve({ code: code ?? -1, output }));
  });
}
