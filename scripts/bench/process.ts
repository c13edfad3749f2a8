/**
 * A process under measurement: started, asked for its processor time and memory, ended by its id.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The runtime of the container image. It runs TypeScript as it stands, so nothing is built and nothing renamed. */
export const NODE = fileURLToPath(new URL("../../node_modules/node24/bin/node", import.meta.url));

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 180_000;
const END_MS = 10_000;
/** Of `/proc/<pid>/stat`, on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A process that runs. */
export interface BenchProcess extends AsyncDisposable {
  readonly role: string;
  readonly pid: number;
  /** The address that it printed, or its first line. */
  readonly url: string;
}

/** Starts a program of this repository and waits for the address, or the line, that it prints. */
export async function startProcess(
  role: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; nodeArgs?: readonly string[] },
): Promise<BenchProcess> {
  const child = spawn(NODE, [...options.nodeArgs ?? [], ...args], {
    cwd: ROOT,
    env: options.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => said = (said + text).slice(-4000));
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    child.once("exit", (code) => {
      reject(new Error(`${args.join(" ")} ended with ${code ?? "a kill"} before it was ready: ${said.trim()}`));
    });
    child.stdout.setEncoding("utf8").once("data", (text: string) => {
      clearTimeout(timer);
      resolve(/http:\S+/.exec(text)?.[0] ?? text.trim());
    });
  });
  child.stdout.resume();
  return {
    role,
    pid: child.pid!,
    url,
    [Symbol.asyncDispose]: async () => {
      if (!running.has(child)) return;
      const ended = once(child, "exit");
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Processor time so far of a process and of those that it has started, user and system, in microseconds; 0 where /proc
 * does not tell.
 */
export function cpuMicroseconds(pid: number): number {
  return [pid, ...startedBy(pid)].reduce((sum, pid) => sum + ownMicroseconds(pid), 0);
}

/** The processes that a process has started and that run: those of `PROCESSES`. */
function startedBy(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function ownMicroseconds(pid: number): number {
  try {
    // After the name, which may hold spaces and parentheses: fields 14 and 15 (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * (1_000_000 / TICKS_A_SECOND);
  } catch {
    return 0;
  }
}
