/**
 * Real instances as child processes, under any of the runtimes that Millrace serves on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Agent, setGlobalDispatcher } from "undici";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { untilServes } from "../../scripts/until_serves.ts";
import { WAIT_LIMIT_MS } from "../support/eventually.ts";

// A slow machine may take longer to connect, or to answer, than fetch waits by default.
setGlobalDispatcher(new Agent({ connect: { timeout: 0 }, headersTimeout: 0, bodyTimeout: 0 }));

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How often {@linkcode untilServed} calls, a second apart. */
const MOST_TRIES = 60;

/** How each runtime runs a TypeScript file. */
export const RUNTIMES = {
  "node": [process.execPath, ...TYPESCRIPT],
  "node 24": [`${root}node_modules/node24/bin/node`],
  "deno": [`${root}node_modules/.bin/deno`, "run", "-A", "--quiet"],
} as const;

/** The whole program in few files, where the test run has made it: see `scripts/typescript/program.ts`. */
const PROGRAM = process.env.TEST_PROGRAM;

/** The name of a runtime. */
export type Runtime = keyof typeof RUNTIMES;

/** A running instance. */
export interface Instance extends AsyncDisposable {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it has printed. */
  output(): string;
  /** Asks it to end by SIGINT, and resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/**
 * Starts an instance on a free port and waits for its banner: of the sources under a runtime, else of the program that
 * was made of them. Rejects with its output when it ends before.
 */
export async function startInstance(env: Record<string, string>, runtime?: Runtime): Promise<Instance> {
  const child = spawnMain([], env, runtime);
  let output = "";
  child.stdout!.on("data", (data) => output += data);
  child.stderr!.on("data", (data) => output += data);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const until = Date.now() + 120_000;
  let url: string | undefined;
  while (url === undefined) {
    url = /(http:\/\/\S+:\d+)\n/.exec(output)?.[1];
    if (child.exitCode !== null || Date.now() > until) {
      child.kill("SIGKILL");
      throw new Error(`The instance did not start: ${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const stop = async (signal: NodeJS.Signals = "SIGINT") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
    const code = await ended;
    clearTimeout(timer);
    return code;
  };
  return {
    url,
    process: child,
    output: () => output,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

/** Runs `millrace` to its end: what it printed, and its exit code. */
export async function runMain(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawnMain(args, env);
  let [stdout, stderr] = ["", ""];
  child.stdout!.on("data", (data) => stdout += data);
  child.stderr!.on("data", (data) => stderr += data);
  const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { code, stdout, stderr };
}

/** Starts `millrace` and waits for nothing. */
export function spawnMain(args: readonly string[], env: Record<string, string>, runtime?: Runtime): ChildProcess {
  const source = runtime ?? (PROGRAM === undefined ? "node" : undefined);
  const [command, ...rest] = source === undefined
    ? [process.execPath, PROGRAM!]
    : [...RUNTIMES[source], `${root}src/main.ts`];
  const { PATH = "", HOME = "", NODE_V8_COVERAGE } = process.env;
  return spawn(command, [...rest, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH,
      HOME,
      PORT: "0",
      LOG_LEVEL: "info",
      DRAIN_SECONDS: "1",
      NODE_V8_COVERAGE: source === "node" ? NODE_V8_COVERAGE : undefined,
      ...env,
    },
  });
}

/** A JSON POST; `more` is for how it is sent. */
export function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
  more: RequestInit = {},
): Promise<Response> {
  return fetch(url, {
    ...more,
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

/** Calls again while the answer is 503, as `Retry-After` asks: on a slow machine the store may take too long. */
export async function untilServed(call: () => Promise<Response>): Promise<Response> {
  for (let tries = 1;; tries++) {
    const response = await call();
    if (response.status !== 503 || tries === MOST_TRIES) return response;
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Stores a workflow, failing with the answer when it is refused. */
export async function putWorkflow(url: string, id: string, definition: unknown): Promise<void> {
  const response = await untilServed(() =>
    fetch(`${url}/api/workflows/${id}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(definition),
    })
  );
  if (!response.ok) throw new Error(`PUT ${id}: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
}

/** Waits until an instance serves a webhook's path whose workflow was stored at another. */
export function untilKnown(url: string, path: string): Promise<void> {
  return untilServes(url, path, { timeoutMs: WAIT_LIMIT_MS });
}

/** One event of a Server-Sent Events stream. */
export interface SentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: { executionId: string; type: string; time: number; node?: string; data: unknown };
}

/** Reads an event stream to its end. */
export async function readEvents(url: string, headers: Record<string, string> = {}): Promise<SentEvent[]> {
  const response = await fetch(url, { headers: { accept: "text/event-stream", ...headers } });
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return parseEvents(await response.text());
}

/** Reads the text of an event stream (WHATWG HTML, 9.2.6), as far as Millrace writes it. */
export function parseEvents(text: string): SentEvent[] {
  return text.split("\n\n").flatMap((block) => {
    const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1];
    const data = field("data");
    return data === undefined ? [] : [{ id: field("id") ?? "", event: field("event") ?? "", data: JSON.parse(data) }];
  });
}

/** Longer than any answer takes, however slow the machine is. */
const PATIENT = { timeoutSeconds: 600 };

/** A webhook workflow whose callers wait long: a trigger, these nodes, one after the other. */
export function chain(path: string, nodes: { id: string; type: string; parameters?: unknown }[], hook: object = {}) {
  const ids = ["hook", ...nodes.map((node) => node.id)];
  return {
    name: path,
    nodes: [
      {
        id: "hook",
        type: "webhook",
        parameters: { path, method: "POST", responseMode: "lastNode", ...PATIENT, ...hook },
      },
      ...nodes,
    ],
    connections: ids.slice(1).map((to, i) => ({ from: ids[i], to })),
  };
}
