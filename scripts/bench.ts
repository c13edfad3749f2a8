/**
 * Measures Millrace against the alternatives: `npm run bench -- --help`.
 */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus, release } from "node:os";
import { drawChart } from "./bench/chart.ts";
import { FULL, measureClaims, SHORT } from "./bench/claim_runs.ts";
import { claimsTable } from "./bench/claims.ts";
import {
  type Contender,
  CONTENDER_NAMES,
  type ContenderName,
  isOurs,
  startContender,
  TITLES,
} from "./bench/contenders.ts";
import { curvePanel, CURVES, curveTable, measureCurve, type Measured } from "./bench/growth.ts";
import { warmUp } from "./bench/load.ts";
import { type BenchOptions, helpText, OptionError, readOptions } from "./bench/options.ts";
import { NODE } from "./bench/process.ts";
import { RedisStats } from "./bench/redis_stats.ts";
import { type Figures, measureInTurns } from "./bench/rounds.ts";
import { comparisonTable, costTable, ratios } from "./bench/table.ts";
import { startRedis } from "./redis.ts";

const NAMES = { contenders: CONTENDER_NAMES, curves: [...CURVES.keys()] };

try {
  const options = readOptions(process.argv.slice(2), NAMES);
  if (options === undefined) console.log(helpText(NAMES));
  else if (options.claims) process.exitCode = await claim(options);
  else process.exitCode = await (options.growth === undefined ? compare(options) : grow(options, options.growth));
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}

async function compare(options: BenchOptions): Promise<number> {
  const { appendfsync, callers, seconds, rounds } = options;
  await using redis = await startRedis({ json: true, args: redisArgs(appendfsync) });
  using stats = await RedisStats.open(redis);
  const contenders: Contender[] = [];
  try {
    for (const name of options.only as readonly ContenderName[]) {
      note(`starting ${TITLES[name]}`);
      contenders.push(await startContender(name, { redisUrl: redis.url }));
    }
    const machine = describe(redis.version, appendfsync);
    note(machine);
    note("warming up");
    for (const { target } of contenders) await warmUp(target, options);
    const figures: Figures[] = [];
    for (const count of callers) {
      const onRound = (round: number) => note(`${count} callers, round ${round} of ${rounds}`);
      figures.push(...await measureInTurns(contenders, { callers: count, seconds, rounds, stats, onRound }));
    }
    await report(figures, { ...options, machine });
    return figures.some(({ lost, name }) => lost > 0 && isOurs(name)) ? 1 : 0;
  } finally {
    await Promise.all(contenders.map((contender) => contender[Symbol.asyncDispose]()));
  }
}

/** What is claimed, and whether it is so on this machine now. A claim that is missed is no failure: a lost answer is. */
async function claim({ appendfsync, short, json }: BenchOptions): Promise<number> {
  const args = redisArgs(appendfsync);
  const { figures, claims, lost } = await measureClaims(short ? SHORT : FULL, { args, note });
  await using redis = await startRedis({ json: true, args });
  const machine = describe(redis.version, appendfsync);
  console.log(`\n${comparisonTable(figures)}\n\n${costTable(figures)}\n\n${claimsTable(claims)}\n\n${machine}`);
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, claims, figures }, null, 2)}\n`);
  return lost > 0 ? 1 : 0;
}

/** Growth curves, a table each as it is done, and one chart of all. */
async function grow(options: BenchOptions, names: readonly string[]): Promise<number> {
  const { appendfsync, seconds, json, svg } = options;
  const args = redisArgs(appendfsync);
  const measured: Measured[] = [];
  let machine = "";
  for (const name of names) {
    // A Redis for each curve, so that none is affected by the data of another.
    await using redis = await startRedis({ json: true, args });
    using stats = await RedisStats.open(redis);
    machine = describe(redis.version, appendfsync);
    const one = await measureCurve(CURVES.get(name)!, { redisUrl: redis.url, stats, seconds, note });
    measured.push(one);
    console.log(`\n${curveTable(one)}`);
  }
  console.log(`\n${machine}`);
  const figures = measured.map(({ curve: { name }, points }) => ({ name, points }));
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
  if (svg !== undefined) await writeFile(svg, drawChart(measured.map(curvePanel)));
  return measured.some(({ points }) => points.some(({ lost }) => lost > 0)) ? 1 : 0;
}

async function report(figures: readonly Figures[], options: BenchOptions & { machine: string }): Promise<void> {
  const { machine, json, svg } = options;
  console.log(`\n${comparisonTable(figures)}\n\n${costTable(figures)}\n\n${ratios(figures).join("\n")}\n\n${machine}`);
  for (const { name, callers, lost, firstLoss } of figures) {
    if (firstLoss !== undefined) console.log(`${TITLES[name]} lost ${lost} at ${callers} callers, first ${firstLoss}`);
  }
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
  if (svg !== undefined) await writeFile(svg, drawChart(panels(figures)));
}

function panels(figures: readonly Figures[]) {
  const names = [...new Set(figures.map(({ name }) => name))];
  const lines = (value: (figures: Figures) => number) =>
    names.map((name) => ({
      title: TITLES[name],
      points: figures.filter((it) => it.name === name).map((it) => [it.callers, value(it)] as const),
    }));
  return [
    { title: "Requests a second", x: "callers at once", unit: "", series: lines(({ rate }) => rate) },
    { title: "Median response time", x: "callers at once", unit: " ms", series: lines(({ p50 }) => p50) },
  ];
}

function redisArgs(appendfsync: BenchOptions["appendfsync"]): string[] {
  return appendfsync === "off" ? [] : ["--appendonly", "yes", "--appendfsync", appendfsync];
}

function describe(redisVersion: string, appendfsync: string): string {
  const node = execFileSync(NODE, ["--version"], { encoding: "utf8" }).trim();
  const aof = appendfsync === "off" ? "no append-only file" : `appendfsync ${appendfsync}`;
  const date = new Date().toISOString().slice(0, 10);
  return `Node ${node}, Redis ${redisVersion} (${aof}), ${cpus().length} cores (${
    cpus()[0]?.model
  }), Linux ${release()}, ${date}`;
}

function note(line: string): void {
  console.error(line);
}
