/**
 * The Redis that is killed, rewound and failed over: append-only file on, synced at every write, and the same port and
 * folder after each start.
 */
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { launch, type RedisServer, type RunningRedis } from "../redis_server.ts";
import { wholeLength } from "./append_only_file.ts";
import { ChaosProxy } from "./proxy.ts";

const ARGS = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "16mb"];
const START_MS = 120_000;

/** Makes the client through which the harness itself looks at Redis, past every proxy. */
function makeAdmin(port: number) {
  return createClient({
    socket: { host: "127.0.0.1", port, reconnectStrategy: 50 },
    RESP: 2,
    maintNotifications: "disabled",
    commandOptions: { timeout: undefined as unknown as number },
  });
}

/** A Redis that can be killed, started again and stopped. */
export class ChaosRedis implements AsyncDisposable {
  #admin: ReturnType<typeof makeAdmin>;
  #port: number;
  readonly #server: RedisServer;
  #dir: string;
  readonly #dirs: string[];
  #running: RunningRedis;

  private constructor(server: RedisServer, running: RunningRedis, dir: string) {
    this.#server = server;
    this.#running = running;
    this.#dir = dir;
    this.#dirs = [dir];
    this.#port = running.port;
    this.#admin = makeAdmin(running.port);
    this.#admin.on("error", () => {});
  }

  static async start(server: RedisServer): Promise<ChaosRedis> {
    if (server.binary === "docker") throw new Error("a redis-server of this machine is needed, not one in Docker");
    const dir = await mkdtemp(join(tmpdir(), "millrace-chaos-"));
    const redis = new ChaosRedis(server, await launch(server, { args: ARGS, dir, grouped: true }), dir);
    await redis.#admin.connect();
    return redis;
  }

  /** Where it listens: elsewhere after a failover. */
  get port(): number {
    return this.#port;
  }

  /** True while a command would be answered, as far as one knows. */
  get ready(): boolean {
    return this.#admin.isReady;
  }

  /** Sends one command and gives its reply as it is (RESP 2). */
  async send<T>(...words: string[]): Promise<T> {
    return await this.#admin.sendCommand(words) as T;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    process.kill(this.#running.pid, "SIGKILL");
    while (isAlive(this.#running.pid)) await sleep(5);
    await this.#running.stop();
  }

  /** Starts it again, and waits until it has read its file. */
  async restart(): Promise<void> {
    this.#running = await launch(this.#server, { args: ARGS, dir: this.#dir, port: this.port, grouped: true });
    for (const until = Date.now() + START_MS; !(await answers(this.port));) {
      if (Date.now() > until) throw new Error(`Redis did not read its file within ${START_MS} ms`);
      await sleep(10);
    }
  }

  /** What its append-only file holds now, for {@linkcode rewind}. */
  async mark(): Promise<{ file: string; bytes: number }> {
    const dir = join(this.#dir, "appendonlydir");
    const file = join(dir, (await readdir(dir)).filter((name) => name.endsWith(".incr.aof")).sort().at(-1)!);
    return { file, bytes: (await stat(file)).size };
  }

  /** kill -9, and starts again with what it had at the mark: as after a power cut without `appendfsync always`. */
  async rewind({ file, bytes }: { file: string; bytes: number }): Promise<void> {
    await this.kill();
    // Rewritten meanwhile: then nothing is cut.
    const kept = await readFile(file).catch(() => undefined);
    if (kept !== undefined) await truncate(file, wholeLength(kept.subarray(0, bytes)));
    await this.restart();
  }

  /** Starts a replica, and waits until it has all; `lag` cuts it off, and `promote` makes it what the rest talks to. */
  async addReplica(): Promise<{ lag: () => void; promote: () => Promise<void> }> {
    const link = await ChaosProxy.open(this.#port);
    const dir = await mkdtemp(join(tmpdir(), "millrace-chaos-"));
    this.#dirs.push(dir);
    const replica = await launch(this.#server, { args: ARGS, dir, grouped: true });
    const admin = makeAdmin(replica.port);
    admin.on("error", () => {});
    await admin.connect();
    await admin.sendCommand(["REPLICAOF", "127.0.0.1", String(link.port)]);
    const synced = async () => /^master_link_status:up/m.test(String(await admin.sendCommand(["INFO", "replication"])));
    for (const until = Date.now() + START_MS; !(await synced());) {
      if (Date.now() > until) throw new Error(`The replica has not caught up within ${START_MS} ms`);
      await sleep(20);
    }
    return {
      lag: () => link.halfOpen(),
      promote: async () => {
        await this.kill();
        await link[Symbol.asyncDispose]();
        await admin.sendCommand(["REPLICAOF", "NO", "ONE"]);
        this.#admin.destroy();
        [this.#admin, this.#running, this.#dir, this.#port] = [admin, replica, dir, replica.port];
      },
    };
  }

  /** Stops it where it is. */
  pause(): void {
    process.kill(this.#running.pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.#running.pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#admin.destroy();
    await this.#running.stop();
    for (const dir of this.#dirs) await rm(dir, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
  socket.setTimeout(1000, () => socket.destroy());
  socket.on("error", () => {});
  try {
    const [chunk] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])]);
    return String(chunk).startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
