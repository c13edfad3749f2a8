/**
 * The mutation table: every known bug is planted, once under its scenario and once under the tests that should see it.
 * What is known is kept in a file, so that a table can be made in several sittings.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findRedisServer, FOUND_VARIABLE, startRedis } from "../redis.ts";
import { slowness } from "../slowness.ts";
import { TYPESCRIPT } from "../typescript/loader.ts";
import type { ChaosOptions } from "./options.ts";
import { type PlantName, PLANTS } from "./plants.ts";

/** Whether a bug was found: `no verdict` when the run broke off by itself. */
type Verdict = "found" | "missed" | "no verdict";

interface Row {
  chaos?: Verdict;
  tests?: Verdict;
}

/** How long one run may take, in milliseconds on a quiet machine. */
const CHAOS_MS = 90_000;
const TEST_FILE_MS = 90_000;
/** How long a planted test waits for what will not come, in milliseconds. */
const PLANTED_WAIT_LIMIT_MS = 8000;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PLANT = new URL("plant.ts", import.meta.url).href;

/** Tries the plants that `options` names, and gives the table in Markdown and those that nothing found. */
export async function runMutations(
  options: Pick<ChaosOptions, "mutations" | "plants" | "json" | "seed">,
  say: (line: string) => void,
): Promise<{ text: string; escaped: PlantName[] }> {
  const { json, plants, mutations, seed } = options;
  const rows = new Map<PlantName, Row>();
  if (json !== undefined && existsSync(json)) {
    for (const [name, row] of Object.entries(JSON.parse(readFileSync(json, "utf8")))) {
      if (name in PLANTS) rows.set(name as PlantName, row as Row);
    }
  }
  const keep = (name: PlantName, row: Row) => {
    rows.set(name, { ...rows.get(name), ...row });
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(Object.fromEntries(rows), undefined, 2)}\n`);
  };
  for (const [i, name] of plants.entries()) {
    for (const by of ["chaos", "tests"] as const) {
      const known = rows.get(name)?.[by];
      if ((mutations !== "both" && mutations !== by) || (known !== undefined && known !== "no verdict")) continue;
      const startedAt = performance.now();
      const verdict = await (by === "chaos" ? tryChaos(name, seed) : tryTests(name));
      keep(name, { [by]: verdict });
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      say(`${String(i + 1).padStart(2)} of ${plants.length}  ${name.padEnd(24)} ${by}: ${verdict}  ${seconds} s`);
    }
  }
  const escaped = plants.filter((name) => !Object.values(rows.get(name) ?? {}).includes("found"));
  return { text: tableOf(rows), escaped };
}

async function tryChaos(name: PlantName, seed: number): Promise<Verdict> {
  for (let tries = 0;; tries++) {
    const args = [...TYPESCRIPT, "scripts/chaos.ts", "--plant", name, "--seed", String(seed + tries)];
    const { code } = await run(args, { timeoutMs: CHAOS_MS, env: {} });
    if (code === 0) return "missed";
    if (code === 1) return "found";
    if (tries > 0) return "no verdict";
  }
}

/** The test files run until one fails: none does without the plant. */
async function tryTests(name: PlantName): Promise<Verdict> {
  const { tests } = PLANTS[name];
  const files = readdirSync(`${ROOT}tests`, { recursive: true }).map((file) => String(file).replaceAll("\\", "/"))
    .filter((file) => file.endsWith("_test.ts") && tests.some((part) => file.includes(part)));
  await using redis = await startRedis({ json: true });
  await using plain = await startRedis({ json: false });
  for (const file of files) {
    const { code } = await run([...TYPESCRIPT, `tests/${file}`], {
      timeoutMs: TEST_FILE_MS,
      until: /✘|FAIL/,
      env: {
        TEST_REDIS_URL: redis.url,
        TEST_REDIS_PLAIN_URL: plain.url,
        TEST_WAIT_LIMIT_MS: String(PLANTED_WAIT_LIMIT_MS),
        [FOUND_VARIABLE]: JSON.stringify(await findRedisServer()),
        NODE_OPTIONS: `${TYPESCRIPT.join(" ")} --import ${PLANT}`,
        MILLRACE_PLANT: name,
      },
    });
    if (code !== 0) return "found";
  }
  return "missed";
}

/** Runs Node to its end, to its time, or until it has printed `until`: then the code is not 0. */
function run(
  args: readonly string[],
  { timeoutMs, until, env }: { timeoutMs: number; until?: RegExp; env: Record<string, string> },
): Promise<{ code: number }> {
  return new Promise((resolve) => {
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { PATH, HOME, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const end = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // It is gone.
      }
    };
    process.once("exit", end);
    const timer = setTimeout(end, timeoutMs * slowness());
    child.stdout.setEncoding("utf8").on("data", (text: string) => until?.test(text) && end());
    child.stderr.resume();
    child.on("close", (code) => {
      clearTimeout(timer);
      process.off("exit", end);
      end();
      resolve({ code: code ?? -1 });
    });
  });
}

function tableOf(rows: ReadonlyMap<PlantName, Row>): string {
  const tried = [...rows].filter(([, row]) => row.chaos !== undefined || row.tests !== undefined);
  const count = (which: (row: Row) => boolean) => tried.filter(([, row]) => which(row)).length;
  const lines = tried.map(([name, { chaos = "–", tests = "–" }]) =>
    `| \`${name}\` | ${PLANTS[name].breaks} | ${chaos} | ${tests} |`
  );
  const [byChaos, byTests] = [count(({ chaos }) => chaos === "found"), count(({ tests }) => tests === "found")];
  const byNeither = count(({ chaos, tests }) => chaos !== "found" && tests !== "found");
  return `
| planted | what it breaks | chaos | tests |
| --- | --- | --- | --- |
${lines.join("\n")}

Of ${tried.length} planted bugs chaos found ${byChaos}, the tests found ${byTests}, and ${byNeither} escaped both.
`;
}
