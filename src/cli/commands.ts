/**
 * The table of commands: `millrace <name> …`.
 */
import type { Command } from "./command.ts";
import { dead } from "./dead.ts";

/** Every command, in the order in which `millrace --help` names them. */
export const COMMANDS: readonly Command[] = [dead];

/** The command of that name. */
export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** A line for each command, for `millrace --help`. */
export function commandLines(): string[] {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return COMMANDS.map(({ name, summary }) => `millrace ${name.padEnd(width)}  ${summary}`);
}
