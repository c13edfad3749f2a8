/**
 * Runs a command as `millrace …` does, against an app in this process.
 */
import type { Terminal } from "../../src/cli/api_client.ts";
import { findCommand } from "../../src/cli/commands.ts";

/** What a command is run against. */
export interface CommandLineOptions {
  readonly app: { request(url: string, init: RequestInit): Response | Promise<Response> };
  readonly terminal?: Terminal;
  /** Changes what the command is answered. */
  readonly onResponse?: (response: Response) => Response;
}

/** Its exit code, and what it wrote. */
export async function runCommandLine(
  [name, ...args]: readonly string[],
  { app, terminal, onResponse = (response) => response }: CommandLineOptions,
): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await findCommand(name)!.run(args, {
    env: { MILLRACE_URL: "http://localhost" },
    print: (line) => void out.push(line),
    printError: (line) => void err.push(line),
    fetch: async (url, init) => onResponse(await app.request(url, init)),
    terminal,
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}
