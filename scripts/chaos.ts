/**
 * Kills, stops and disconnects the parts of a running Millrace under load, and checks its promises: `npm run chaos`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { HELP, OptionError, readOptions } from "./chaos/options.ts";
import { runMutations } from "./chaos/mutations.ts";
import { runOutage } from "./chaos/outage.ts";
import { PLANTS } from "./chaos/plants.ts";
import { run } from "./chaos/run.ts";
import { exitOnSignals } from "./leftovers.ts";

/** Exit code of a run that failed by itself; 0: every promise was kept, 1: one was broken. */
const NO_VERDICT = 3;

// What runs is killed by the exit handlers of the modules that started it.
exitOnSignals();
try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof OptionError) console.error(`chaos: ${error.message}`);
  else console.error("chaos: no verdict: the run could not be made:", error);
  process.exitCode = error instanceof OptionError ? 2 : NO_VERDICT;
}
process.exit();

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  const { plant, outage, json, logDir } = options;
  if (options.mutations !== undefined) {
    const table = await runMutations(options, (line) => console.log(line));
    console.log(table.text);
    return table.escaped.length === 0 ? 0 : 1;
  }
  if (logDir !== undefined) mkdirSync(logDir, { recursive: true });
  console.log(`chaos: seed ${options.seed}${plant === undefined ? "" : `, planted ${plant}: ${PLANTS[plant].breaks}`}`);
  const report = await (outage === undefined ? run : runOutage)(options, (line) => console.log(line));
  console.log(report.table());
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report.summary(), undefined, 2)}\n`);
  console.log(report.isClean ? "chaos: every promise was kept" : `chaos: promises were broken (seed ${report.seed})`);
  return report.isClean ? 0 : 1;
}
