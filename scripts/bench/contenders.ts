/**
 * The contenders of the benchmark, each in its own processes.
 */
import { withoutCoverage } from "../command.ts";
import type { Target } from "./load.ts";
import { type BenchProcess, startProcess } from "./process.ts";
import { answerTo, bodyOf, WORKFLOW } from "./work.ts";

/** The names of all contenders, in the order of the table. */
export const CONTENDER_NAMES = ["echo", "millrace", "processes", "long", "memory", "bullmq", "polling"] as const;

/** The name of a contender. */
export type ContenderName = (typeof CONTENDER_NAMES)[number];

/** Titles in the table. */
export const TITLES: Readonly<Record<ContenderName, string>> = {
  echo: "bare streams",
  millrace: "Millrace, short way",
  processes: "Millrace, short way, a process a core",
  long: "Millrace, long way",
  memory: "Millrace in memory",
  bullmq: "BullMQ, waitUntilFinished",
  polling: "polling every 100 ms",
};

/** A contender that runs. */
export interface Contender extends AsyncDisposable {
  readonly name: ContenderName;
  readonly target: Target;
  readonly processes: readonly BenchProcess[];
}

/** True for the contenders whose lost answers fail the command; those of others are only shown. */
export function isOurs(name: ContenderName): boolean {
  return name === "millrace" || name === "processes" || name === "long" || name === "memory";
}

/** Starts a contender on a Redis. */
export async function startContender(name: ContenderName, options: { redisUrl: string }): Promise<Contender> {
  const { REDIS_URL: _, ...inherited } = withoutCoverage();
  // Each finds a Redis as if it were alone.
  const env = {
    ...inherited,
    REDIS_URL: options.redisUrl,
    REDIS_PREFIX: `${name}:`,
    LOG_LEVEL: "warn",
    PORT: "0",
    DRAIN_SECONDS: "0",
  };
  const processes = await startProcesses(name, env);
  const [front] = processes;
  const isMillrace = isOurs(name);
  if (isMillrace) await putWorkflow(front!.url, "bench", WORKFLOW);
  return {
    name,
    processes,
    target: {
      origin: new URL(front!.url).origin,
      path: isMillrace ? "/webhook/bench" : "/bench",
      status: 201,
      body: bodyOf,
      answer: name === "echo" ? bodyOf : answerTo,
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(processes.map((process) => process[Symbol.asyncDispose]()));
    },
  };
}

function startProcesses(name: ContenderName, env: NodeJS.ProcessEnv): Promise<BenchProcess[]> {
  const start = (role: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    startProcess(role, args, { env: { ...env, ...more } });
  const pair = async (program: string) => {
    // The back first: it makes what the front relies on.
    const back = await start("worker", [program, "back"]);
    return [await start("http", [program, "front"]), back];
  };
  switch (name) {
    case "millrace":
      return Promise.all([start("http", ["src/main.ts"])]);
    case "processes":
      return Promise.all([start("http", ["src/main.ts"], { PROCESSES: "auto" })]);
    case "long":
      return Promise.all([
        start("http", ["src/main.ts"], { ROLES: "http" }),
        start("worker", ["src/main.ts"], { ROLES: "worker,assembler,scheduler" }),
      ]);
    case "memory":
      return Promise.all([start("http", ["src/main.ts"], { REDIS_ENABLED: "false" })]);
    case "echo":
      return pair("scripts/bench/echo.ts");
    case "bullmq":
      return pair("scripts/bench/bullmq.ts");
    case "polling":
      return pair("scripts/bench/polling.ts");
  }
}

/** Stores a workflow on an instance. */
export async function putWorkflow(url: string, id: string, definition: unknown): Promise<void> {
  const response = await fetch(`${new URL(url).origin}/api/workflows/${id}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(definition),
  });
  if (!response.ok) throw new Error(`The workflow was refused: ${await response.text()}`);
}
