/**
 * What starting a server as a process of our own takes, whichever server it is: a free port, its last output for an error
 * message, and a wait until it answers.
 *
 * @example
 * ```ts
 * const child = spawn("redis-server", ["--port", String(await freePort())], { stdio: ["ignore", "pipe", "pipe"] });
 * const lastOutput = collectOutput(child);
 * const about = await untilAnswers(child, { ask: () => ask(port), timeoutMs: 10_000 });
 * if (about === undefined) throw new Error(`Redis does not start: ${lastOutput()}`);
 * ```
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How often {@linkcode untilAnswers} asks, in milliseconds. */
const ASK_MS = 20;

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Whether a process was started and has not ended. */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Reads the output of a process, so that it does not block; returns a function that gives the last 4,000 characters. */
export function collectOutput(child: ChildProcess): () => string {
  let output = "";
  const add = (text: string) => output = (output + text).slice(-4000);
  child.stdout?.setEncoding("utf8").on("data", add);
  child.stderr?.setEncoding("utf8").on("data", add);
  child.on("error", (error) => add(error.message));
  return () => output.trim();
}

/** Asks a server until it answers with a value; `undefined` when its process ends first, or after `timeoutMs`. */
export async function untilAnswers<T>(
  child: ChildProcess,
  { ask, timeoutMs }: { ask: () => Promise<T | undefined>; timeoutMs: number },
): Promise<T | undefined> {
  const giveUpAt = performance.now() + timeoutMs;
  while (isRunning(child) && performance.now() < giveUpAt) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(ASK_MS);
  }
  return undefined;
}
