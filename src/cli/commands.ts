/**
 * The table of commands: `millrace <name> …`.
 */
import { env, exit, stdout } from "node:process";
import type { Command } from "./command.ts";
import { audit } from "./audit.ts";
import { backtest } from "./backtest.ts";
import { exportCommand, importCommand } from "./bundles.ts";
import { dead } from "./dead.ts";
import { diff, list, show } from "./look.ts";
import { replay, run, tail } from "./run.ts";
import { history } from "./history.ts";
import { rebuild } from "./rebuild.ts";
import { schedules } from "./schedules.ts";

/** Every command, in the order in which `millrace --help` names them. */
export const COMMANDS: readonly Command[] = [
  run,
  tail,
  list,
  show,
  replay,
  diff,
  backtest,
  exportCommand,
  importCommand,
  schedules,
  dead,
  audit,
  history,
  rebuild,
];

/** The command of that name. */
export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** Runs the command that the arguments begin with, in this process; its exit code, `undefined` for no command. */
export async function runCommand([name, ...args]: readonly string[]): Promise<number | undefined> {
  const command = findCommand(name);
  if (command === undefined) return undefined;
  const terminal = stdout.isTTY
    ? { columns: () => stdout.columns, write: (text: string) => void stdout.write(text) }
    : undefined;
  // The reader has closed the pipe, as `head` does.
  stdout.on("error", () => exit(0));
  const code = await command.run(args, { env, print: console.log, printError: console.error, fetch, terminal });
  // A pipe takes some of it later: whoever exits before cuts it off.
  await new Promise<void>((done) => stdout.write("", () => done()));
  return code;
}

/** A line for each command, for `millrace --help`. */
export function commandLines(): string[] {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return COMMANDS.map(({ name, summary }) => `millrace ${name.padEnd(width)}  ${summary}`);
}
