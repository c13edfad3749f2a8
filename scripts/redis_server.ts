/**
 * Starts a separate Redis: on a free port of 127.0.0.1, with its own folder, stopped by its process id.
 *
 * @example
 * ```ts
 * await using redis = await launch({ binary: "redis-server", args: [], json: false, description: "Redis 7" });
 * ```
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { leftovers } from "./leftovers.ts";
import { collectOutput, freePort, isRunning, untilAnswers } from "./server_process.ts";

/** A way to start a Redis. */
export interface RedisServer {
  /** `redis-server`, or `docker` for one in a container. */
  readonly binary: string;
  /** What comes before our own arguments: the module to load, or the container to make. */
  readonly args: readonly string[];
  /** Whether it has the JSON commands. */
  readonly json: boolean;
  /** For the report. */
  readonly description: string;
}

/** A Redis that runs. */
export interface RunningRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  /** Whether it has the JSON commands. */
  readonly json: boolean;
  /** As it says itself, such as `7.0.15`. */
  readonly version: string;
  /** Stops it and removes its folder. Further calls do nothing. */
  stop(): Promise<void>;
}

/** How long a Redis may take to answer, in milliseconds; a container may need to be fetched first. */
const START_MS = 120_000;

/** Options of {@linkcode launch}. */
export interface LaunchOptions {
  /** Further arguments of redis-server, such as `["--appendonly", "yes"]`. Default none. */
  readonly args?: readonly string[];
  /** Default a free port. */
  readonly port?: number;
  /** Folder of its data, kept after the stop. Default a temporary one, which is removed. */
  readonly dir?: string;
  /** Whether it stays in our process group: what ends the group ends it, Ctrl-C too. */
  readonly grouped?: boolean;
}

/** Starts `server`, memory-only unless `args` say otherwise, and waits until it answers. */
export async function launch(server: RedisServer, options: LaunchOptions = {}): Promise<RunningRedis> {
  const { args = [], port = await freePort(), dir = await mkdtemp(join(tmpdir(), "millrace-redis-")) } = options;
  const inContainer = server.binary === "docker";
  const container = `millrace-redis-${randomBytes(4).toString("hex")}`;
  const before = server.args.map((arg) => arg === "{name}" ? container : arg);
  const modules = inContainer ? [] : before;
  const child = spawn(server.binary, [
    ...(inContainer ? before : []),
    ...["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"],
    ...["--maxmemory-policy", "noeviction", "--dir", inContainer ? "/tmp" : dir],
    ...args,
    ...modules,
  ], { stdio: ["ignore", "pipe", "pipe"], detached: !options.grouped });
  const lastOutput = collectOutput(child);

  const end = () => {
    child.kill("SIGKILL");
    if (inContainer) spawnSync("docker", ["rm", "--force", container], { stdio: "ignore" });
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    leftovers.delete(end);
  };
  leftovers.add(end);
  const stop = async () => {
    if (!leftovers.has(end)) return;
    if (isRunning(child)) {
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await Promise.race([once(child, "exit"), sleep(5000, undefined, { ref: false })]);
    }
    end();
  };

  const about = await untilAnswers(child, { ask: () => ask(port), timeoutMs: START_MS });
  if (about === undefined) {
    end();
    throw new Error(`Cannot start ${[server.binary, ...before].join(" ")}: ${lastOutput() || "it does not answer"}`);
  }
  const url = `redis://127.0.0.1:${port}`;
  return { url, port, pid: child.pid!, dir, ...about, stop, [Symbol.asyncDispose]: stop };
}

/** Asks who answers on `port`, in inline commands; `undefined` while nobody does. */
function ask(port: number): Promise<{ version: string; json: boolean } | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write("COMMAND INFO JSON.SET\r\nINFO server\r\nQUIT\r\n"));
    socket.setTimeout(2000, () => socket.destroy());
    socket.setEncoding("utf8").on("data", (chunk) => text += chunk);
    socket.on("error", () => {});
    socket.on("close", () => {
      const version = text.match(/^redis_version:(\S+)/m)?.[1];
      resolve(version === undefined ? undefined : { version, json: /^\*1\r\n\*\d/.test(text) });
    });
  });
}
