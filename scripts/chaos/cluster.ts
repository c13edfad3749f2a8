/**
 * All that is under test: Redis, two instances that serve HTTP, two that work, and the server that they call.
 */
import { fileURLToPath } from "node:url";
import { findRedisServer } from "../redis.ts";
import { EchoServer } from "./echo_server.ts";
import { Member } from "./member.ts";
import { ChaosRedis } from "./redis_process.ts";
import { definitionOf, KINDS } from "./workflows.ts";

/** After how long a silent worker's work is taken over: longer than any fault but those of workers may cost. */
export const LEASE_SECONDS = 4;

/** What a cluster is started with. */
export interface ClusterOptions {
  readonly plant?: string | undefined;
  readonly logDir?: string | undefined;
  /** With garbage collection on demand. */
  readonly collects?: boolean;
}

/** The whole stage. */
export class Cluster implements AsyncDisposable {
  readonly redis: ChaosRedis;
  readonly echo: EchoServer;
  readonly http: readonly Member[];
  readonly workers: readonly Member[];

  private constructor(redis: ChaosRedis, echo: EchoServer, members: readonly Member[]) {
    this.redis = redis;
    this.echo = echo;
    this.http = members.filter(({ kind }) => kind === "http");
    this.workers = members.filter(({ kind }) => kind === "worker");
  }

  /** Starts everything and stores the workflows. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { plant, logDir, collects = false } = options;
    const nodeArgs = [
      ...(plant === undefined ? [] : ["--import", fileOf("plant.ts")]),
      ...(collects ? ["--expose-gc", "--import", fileOf("collect.ts")] : []),
    ];
    const opened: AsyncDisposable[] = [];
    try {
      const redis = await ChaosRedis.start(await findRedisServer());
      opened.push(redis);
      const echo = await EchoServer.open();
      opened.push(echo);
      const started = await Promise.allSettled(MEMBERS.map(([name, kind, fixed]) => {
        const env = environment(name, { fixed, logDir, plant });
        return Member.start({ name, kind, nodeArgs, logDir, redisPort: redis.port, env });
      }));
      const members = started.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
      opened.push(...members);
      for (const result of started) if (result.status === "rejected") throw result.reason;
      const cluster = new Cluster(redis, echo, members);
      await cluster.#storeWorkflows();
      return cluster;
    } catch (error) {
      for (const part of opened.reverse()) await part[Symbol.asyncDispose]();
      throw error;
    }
  }

  get members(): readonly Member[] {
    return [...this.http, ...this.workers];
  }

  /** Starts again whoever was killed. */
  async repair(): Promise<void> {
    await Promise.all(this.members.filter(({ alive }) => !alive).map((member) => member.start()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redis.resume();
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await this.echo[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }

  async #storeWorkflows(): Promise<void> {
    for (const kind of KINDS) {
      const response = await fetch(`${this.http[0]!.url}/api/workflows/${kind.id}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(definitionOf(kind, this.echo.url)),
      });
      if (!response.ok) throw new Error(`The workflow "${kind.id}" is refused: ${await response.text()}`);
      await response.body?.cancel();
    }
    await Promise.all(this.http.map(({ url }) => this.#served(url)));
  }

  /** Waits until an instance knows every workflow: it hears of them on the control stream. */
  async #served(url: string): Promise<void> {
    for (const { id } of KINDS) {
      for (const until = Date.now() + 5000;;) {
        const response = await fetch(`${url}/webhook/${id}`, { method: "OPTIONS" });
        await response.body?.cancel();
        if (response.status !== 404) break;
        if (Date.now() > until) throw new Error(`${url} does not serve the workflow "${id}"`);
      }
    }
  }
}

const MEMBERS = [
  ["http1", "http", true],
  ["http2", "http", false],
  ["worker1", "worker", true],
  ["worker2", "worker", false],
] as const;

function environment(name: string, options: { fixed: boolean } & ClusterOptions): Record<string, string> {
  return {
    LEASE_SECONDS: String(LEASE_SECONDS),
    HTTP_ALLOW: "127.0.0.1",
    LOG_LEVEL: options.logDir === undefined ? "error" : "info",
    DRAIN_SECONDS: "1",
    ...(options.plant === undefined ? {} : { MILLRACE_PLANT: options.plant }),
    // One of each kind comes back under its old name, as behind a StatefulSet; the other under a new one.
    ...(options.fixed ? { INSTANCE_ID: name } : {}),
  };
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
