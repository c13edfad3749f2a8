/**
 * Runs a command to its end and returns its output.
 *
 * @example
 * ```ts
 * const { code, output } = await runCommand("redis-server", ["--version"]);
 * ```
 */
import { spawn } from "node:child_process";

/** How a command ended. */
export interface CommandResult {
  /** 0: success; -1: it could not be started, or was killed. */
  readonly code: number;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

/** Options of {@linkcode runCommand}. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Time after which it is killed, in milliseconds. Default 600,000. */
  readonly timeoutMs?: number;
}

/**
 * This process's environment for one that is not to write coverage: one of another runtime or loader, whose lines would be
 * taken for those of the tests'. Node gives its own `NODE_V8_COVERAGE` to each child whose environment lacks the name.
 */
export function withoutCoverage(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, NODE_V8_COVERAGE: undefined };
}

/** Runs `command`; never throws. */
export function runCommand(
  command: string,
  args: readonly string[],
  { cwd, env = process.env, timeoutMs = 600_000 }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    child.stdout.setEncoding("utf8").on("data", (text) => output += text);
    child.stderr.setEncoding("utf8").on("data", (text) => output += text);
    child.on("error", (error) => resolve({ code: -1, output: `${output}${error.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? -1, output }));
  });
}
