/**
 * The static checks: formatting, lint, types, house rules.
 */
import { runCommand } from "./command.ts";

/** A check, passed or not. */
export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** A few words for its line. */
  readonly detail?: string;
  /** Its whole output. */
  readonly output: string;
}

const CHECKS = [
  { name: "formatting (deno fmt)", command: "node_modules/.bin/deno", args: ["fmt", "--check"] },
  { name: "lint (deno lint)", command: "node_modules/.bin/deno", args: ["lint"] },
  { name: "types (tsc)", command: "npm", args: ["run", "--silent", "check"] },
  { name: "import rules", command: process.execPath, args: ["--import", "tsx", "scripts/import_rules.ts"] },
] as const;

/** Runs all checks at once; each is told to `done` as it ends. */
export async function runStaticChecks(done: (result: CheckResult) => void): Promise<void> {
  await Promise.all(CHECKS.map(async ({ name, command, args }) => done(await runCheck(name, command, args))));
}

/** Runs a command as a check: passed if it exits with 0. */
export async function runCheck(name: string, command: string, args: readonly string[]): Promise<CheckResult> {
  const start = performance.now();
  const { code, output } = await runCommand(command, args, { env: { ...process.env, NO_COLOR: "1" } });
  return { name, passed: code === 0, seconds: (performance.now() - start) / 1000, output };
}
