/**
 * The cluster under test: Redis, two HTTP instances, two workers, one instance that is both, and the server that
 * workflows call.
 */
import { fileURLToPath } from "node:url";
import { Keys } from "../../src/storage/redis/keys.ts";
import { findRedisServer } from "../redis.ts";
import { untilServes } from "../until_serves.ts";
import type { Breach } from "./breach.ts";
import { EchoServer, type Inspector } from "./echo_server.ts";
import { toEvents } from "./execution_reader.ts";
import { LeaseMonitor } from "./lease_monitor.ts";
import { requestedAt } from "./log_check.ts";
import { Member } from "./member.ts";
import { ChaosRedis } from "./redis_process.ts";
import { sceneWorkflows } from "./scenes/workflows.ts";
import { definitionOf, KINDS } from "./workflows.ts";

/** After how long a silent worker's work is taken over: longer than any fault but those of workers may cost. */
export const LEASE_SECONDS = 4;
/** How many workers an execution may end without progress. */
export const MAX_DELIVERIES = 3;
/** How many executions may wait or run in one partition. */
export const QUEUE_LIMIT = 400;

/** Options of {@linkcode Cluster}. */
export interface ClusterOptions {
  readonly plant?: string | undefined;
  readonly logDir?: string | undefined;
  /** With garbage collection on demand. */
  readonly collects?: boolean;
  /** 1 by default. */
  readonly partitions?: number | undefined;
  /** {@linkcode LEASE_SECONDS} by default. */
  readonly leaseSeconds?: number | undefined;
  /** How far the clock of the first worker is ahead, and to how far ahead it steps, in milliseconds. */
  readonly clock?: { readonly skewMs: number; readonly stepMs: number } | undefined;
}

/** The processes of one run. */
export class Cluster implements AsyncDisposable {
  readonly redis: ChaosRedis;
  readonly echo: EchoServer;
  /** Those that serve and do not work. */
  readonly http: readonly Member[];
  /** Those that work and do not serve. */
  readonly workers: readonly Member[];
  /** Does both, and runs what it accepts. */
  readonly whole: Member;
  readonly keys: Keys;
  readonly monitor: LeaseMonitor;
  readonly leaseMs: number;
  /** Executions that end every worker that has them: they alone become dead letters. */
  readonly poisoned = new Set<string>();
  /** When Redis lost what it had been given, by its mark and by when it was back, in epoch milliseconds. */
  readonly rewinds: { readonly from: number; readonly to: number }[] = [];

  private constructor(
    redis: ChaosRedis,
    echo: EchoServer,
    members: readonly Member[],
    { partitions, leaseSeconds }: { partitions: number; leaseSeconds: number },
  ) {
    this.redis = redis;
    this.echo = echo;
    this.keys = new Keys({ partitions });
    this.leaseMs = leaseSeconds * 1000;
    this.monitor = new LeaseMonitor({ redis, keys: this.keys, leaseMs: this.leaseMs });
    echo.inspector = this.#inspect;
    this.http = members.filter(({ kind }) => kind === "http");
    this.workers = members.filter(({ kind }) => kind === "worker");
    this.whole = members.find(({ kind }) => kind === "whole")!;
  }

  /** Starts everything and stores the workflows. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { plant, collects = false, partitions = 1, leaseSeconds = LEASE_SECONDS, clock } = options;
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
        const env = environment(name, { ...options, fixed, partitions, leaseSeconds });
        const skewed = clock !== undefined && name === "worker1";
        const args = skewed ? [...nodeArgs, "--import", fileOf("clock_skew.ts")] : nodeArgs;
        return Member.start({
          ...{ name, kind, nodeArgs: args, logDir: options.logDir, redisPort: redis.port },
          env: skewed ? { ...env, ...clockOf(clock) } : env,
        });
      }));
      const members = started.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
      opened.push(...members);
      for (const result of started) if (result.status === "rejected") throw result.reason;
      const cluster = new Cluster(redis, echo, members, { partitions, leaseSeconds });
      await cluster.#storeWorkflows();
      return cluster;
    } catch (error) {
      for (const part of opened.reverse()) await part[Symbol.asyncDispose]();
      throw error;
    }
  }

  get members(): readonly Member[] {
    return [...this.http, ...this.workers, this.whole];
  }

  /** All that serve HTTP. */
  get serving(): readonly Member[] {
    return [...this.http, this.whole];
  }

  /** All that work. */
  get working(): readonly Member[] {
    return [...this.workers, this.whole];
  }

  /** Starts again whoever was killed. */
  async repair(): Promise<void> {
    await Promise.all(this.members.filter(({ alive }) => !alive).map((member) => member.start()));
  }

  /** Points everybody to where Redis is after a failover, and drops the links to where it was. */
  followRedis(): void {
    for (const { proxy } of this.members) {
      proxy.target = this.redis.port;
      proxy.takeDown();
      proxy.restore();
    }
  }

  /** What was found by looking on; each breach once. */
  takeBreaches(): Breach[] {
    return [...this.monitor.breaches.splice(0), ...this.echo.breaches.splice(0)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redis.resume();
    await this.monitor.stop();
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await this.echo[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }

  /** Whatever a node does to others is in the log before it is done. */
  readonly #inspect: Inspector = async ({ executionId, node, nth }) => {
    if (!this.redis.ready) return undefined;
    const askedAt = performance.now();
    const reply = await this.redis.send<[string, string[]][]>("XRANGE", this.keys.log(executionId), "-", "+");
    // An answer that waited for a Redis that was away says nothing about the moment of the call, nor does one about an
    // execution of which Redis has lost something since.
    const isRewound = this.rewinds.some(({ to }) => requestedAt(executionId) < to + REWIND_BLUR_MS);
    if (performance.now() - askedAt > INSPECTION_MS || isRewound) return undefined;
    const events = reply.flatMap(toEvents);
    const starts = events.filter((event) => event.type === "node.started" && event.node === node).length;
    if (starts >= nth || reply.length === 0) return undefined;
    return { kind: "duplicated", detail: `${executionId}: call ${nth} of ${node} while its log has ${starts} starts` };
  };

  async #storeWorkflows(): Promise<void> {
    const definitions = [
      ...KINDS.map((kind) => [kind.id, definitionOf(kind, this.echo.url)] as const),
      ...sceneWorkflows(this.echo.url),
    ];
    for (const [id, definition] of definitions) {
      const response = await fetch(`${this.http[0]!.url}/api/workflows/${id}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(definition),
      });
      if (!response.ok) throw new Error(`The workflow "${id}" is refused: ${await response.text()}`);
      await response.body?.cancel();
    }
    await Promise.all(this.serving.map(async ({ url }) => {
      for (const [id] of definitions) await untilServes(url, id, { timeoutMs: SERVED_MS });
    }));
  }
}

/** How long the answer to a look at a log may take, and how far the clock of ids may be off. */
const INSPECTION_MS = 300;
const REWIND_BLUR_MS = 500;
/** How long an instance may take to hear of the workflows, in milliseconds. */
const SERVED_MS = 60_000;

const MEMBERS = [
  ["http1", "http", true],
  ["http2", "http", false],
  ["worker1", "worker", true],
  ["worker2", "worker", false],
  ["whole1", "whole", true],
] as const;

function clockOf({ skewMs, stepMs }: { skewMs: number; stepMs: number }): Record<string, string> {
  return { MILLRACE_CLOCK_SKEW_MS: String(skewMs), MILLRACE_CLOCK_STEP_MS: String(stepMs) };
}

function environment(name: string, options: { fixed: boolean } & ClusterOptions): Record<string, string> {
  return {
    LEASE_SECONDS: String(options.leaseSeconds),
    PARTITIONS: String(options.partitions),
    MAX_DELIVERIES: String(MAX_DELIVERIES),
    QUEUE_LIMIT: String(QUEUE_LIMIT),
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
