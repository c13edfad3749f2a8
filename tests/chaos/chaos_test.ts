// timeout: 1200
// serial
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
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { harmfulTest } from "../support/faulty_redis.ts";

const test = suite("npm run chaos");
const folder = mkdtempSync(join(tmpdir(), "millrace-chaos-test-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Planted bugs that show soonest, some of them each day; all are for `npm run chaos -- --mutations both`. */
const QUICK: readonly PlantName[] = [
  ...["log-for-ever", "slot-kept", "timer-of-cancelled", "request-twice", "no-lookup"] as const,
  ...["meta-for-ever", "no-queue-limit", "no-parked-deadline", "key-not-kept", "call-before-start"] as const,
  ...["result-for-ever", "key-for-ever", "hasty-takeover", "stealing-renewal", "requeue-forgets-reply"] as const,
];
const EACH_DAY = 5;
const today = Math.floor(Date.now() / 86_400_000);
const planted = QUICK.filter((_, i) => Math.floor(i / EACH_DAY) === today % (QUICK.length / EACH_DAY));

/** The run stops and kills its Redis, which signals cannot do to one in a container. */
const faulty = await harmfulTest(test);

faulty("every promise is kept through faults and scenes", async () => {
  const { code, output, sums } = await chaos("clean", [
    ...["--seed", "12", "--rounds", "12", "--within", "12", "--partitions", String(1 + 2 * (today % 2))],
  ]);
  assert.is(code, 0, output);
  assert.is(sums.rounds, 12);
  assert.ok(sums.executions > 300, `${sums.executions} executions`);
});

for (const plant of planted) {
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
    const { NODE_V8_COVERAGE: _, REDIS_URL: __, ...inherited } = process.env;
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
