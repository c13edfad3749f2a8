/**
 * Kills, stops and cuts off whatever Millrace runs on, under load, and checks what was promised: `npm run chaos`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { HELP, OptionError, readOptions } from "./chaos/options.ts";
import { runOutage } from "./chaos/outage.ts";
import { PLANTS } from "./chaos/plants.ts";
import { run } from "./chaos/run.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // What runs is killed by the exit handlers of the modules that started it.
  process.on(signal, () => process.exit(signal === "SIGINT" ? 130 : 143));
}
try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof OptionError) console.error(`chaos: ${error.message}`);
  else console.error(error);
  process.exitCode = error instanceof OptionError ? 2 : 1;
}
process.exit();

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  const { plant, outage, json, logDir } = options;
  if (logDir !== undefined) mkdirSync(logDir, { recursive: true });
  console.log(`chaos: seed ${options.seed}${plant === undefined ? "" : `, planted ${plant}: ${PLANTS[plant]}`}`);
  const report = await (outage === undefined ? run : runOutage)(options, (line) => console.log(line));
  console.log(report.table());
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report.summary(), undefined, 2)}\n`);
  console.log(report.isClean ? "chaos: every promise was kept" : `chaos: promises were broken (seed ${report.seed})`);
  return report.isClean ? 0 : 1;
}
