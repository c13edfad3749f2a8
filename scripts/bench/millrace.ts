/**
 * A Millrace of its own for each point of a growth curve: its own prefix in Redis, its own processes.
 */
import { withoutCoverage } from "../command.ts";
import { putWorkflow } from "./contenders.ts";
import { type BenchProcess, cpuMicroseconds, startProcess } from "./process.ts";

/** How it is set up. */
export interface MillraceOptions {
  readonly redisUrl: string;
  /** Instances with the role `http`, and as many workers; default 1. */
  readonly instances?: number;
  readonly partitions?: number;
  /** More settings. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A Millrace that runs. */
export interface Millrace extends AsyncDisposable {
  /** Of the first HTTP instance. */
  readonly origin: string;
  /** Of every HTTP instance. */
  readonly origins: readonly string[];
  readonly processes: readonly BenchProcess[];
  /** Begins the names of all its keys. */
  readonly prefix: string;
  /** Processor time of all processes so far, in microseconds; Redis's is not in it. */
  cpu(): number;
  /** Stores a workflow. */
  put(id: string, definition: unknown): Promise<void>;
  /** Bytes of heap and of buffers that the first HTTP instance uses after a collection. */
  memory(): Promise<number>;
  /** How many callers wait on the first HTTP instance. */
  waiters(): Promise<number>;
}

let prefixes = 0;

/** Starts HTTP instances and workers. */
export async function startMillrace(options: MillraceOptions): Promise<Millrace> {
  const { redisUrl, instances = 1, partitions = 1, env = {} } = options;
  const prefix = `bench${prefixes++}:`;
  const common = {
    ...withoutCoverage(),
    REDIS_URL: redisUrl,
    REDIS_PREFIX: prefix,
    PARTITIONS: String(partitions),
    LOG_LEVEL: "warn",
    PORT: "0",
    DRAIN_SECONDS: "0",
    ...env,
  };
  const nodeArgs = ["--expose-gc", "--import", "./scripts/chaos/collect.ts"];
  const start = (roles: string) =>
    startProcess(roles.split(",")[0]!, ["src/main.ts"], { env: { ...common, ROLES: roles }, nodeArgs });
  // The first one alone: it settles the number of partitions.
  const http = [await start("http")];
  while (http.length < instances) http.push(await start("http"));
  const workers = await Promise.all(Array.from({ length: instances }, () => start("worker,assembler,scheduler")));
  const processes = [...http, ...workers];
  const origins = http.map(({ url }) => new URL(url).origin);
  return {
    origin: origins[0]!,
    origins,
    processes,
    prefix,
    cpu: () => processes.reduce((sum, { pid }) => sum + cpuMicroseconds(pid), 0),
    put: (id, definition) => putWorkflow(origins[0]!, id, definition),
    memory: () => usedMemory(http[0]!),
    waiters: async () => (await readMetrics(http[0]!))("millrace_waiters"),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(processes.map((process) => process[Symbol.asyncDispose]()));
    },
  };
}

async function usedMemory(http: BenchProcess): Promise<number> {
  process.kill(http.pid, "SIGUSR2");
  const metric = await readMetrics(http);
  return metric("nodejs_heap_size_used_bytes") + metric("nodejs_external_memory_bytes");
}

/** Reads an instance's metrics. */
async function readMetrics({ url }: BenchProcess): Promise<(name: string) => number> {
  const text = await (await fetch(`${new URL(url).origin}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? NaN);
}
