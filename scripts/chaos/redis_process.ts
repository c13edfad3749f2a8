/**
 * The Redis that is killed: append-only file on, synced at every write, and the same port and folder after each start.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { launch, type RedisServer, type RunningRedis } from "../redis_server.ts";

const ARGS = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "16mb"];
const START_MS = 30_000;

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
  readonly admin: ReturnType<typeof makeAdmin>;
  readonly port: number;
  readonly #server: RedisServer;
  readonly #dir: string;
  #running: RunningRedis;

  private constructor(server: RedisServer, running: RunningRedis, dir: string) {
    this.#server = server;
    this.#running = running;
    this.#dir = dir;
    this.port = running.port;
    this.admin = makeAdmin(running.port);
    this.admin.on("error", () => {});
  }

  static async start(server: RedisServer): Promise<ChaosRedis> {
    if (server.binary === "docker") throw new Error("a redis-server of this machine is needed, not one in Docker");
    const dir = await mkdtemp(join(tmpdir(), "millrace-chaos-"));
    const redis = new ChaosRedis(server, await launch(server, { args: ARGS, dir, grouped: true }), dir);
    await redis.admin.connect();
    return redis;
  }

  /** Sends one command and gives its reply as it is (RESP 2). */
  async send<T>(...words: string[]): Promise<T> {
    return await this.admin.sendCommand(words) as T;
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

  /** Stops it where it is. */
  pause(): void {
    process.kill(this.#running.pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.#running.pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.admin.destroy();
    await this.#running.stop();
    await rm(this.#dir, { recursive: true, force: true });
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
