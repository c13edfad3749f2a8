/**
 * A Redis for one test, which can be frozen, killed and restarted on the same port.
 *
 * @example
 * ```ts
 * await using redis = await startFaultyRedis();
 * redis.freeze();
 * redis.thaw();
 * redis.kill();
 * await redis.restart();
 * ```
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "uvu";
import { findRedisServer, type RunningRedis, startRedis } from "../../scripts/redis.ts";

/** A Redis whose faults a test controls. */
export interface FaultyRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Sends SIGSTOP. The kernel still accepts connections. */
  freeze(): void;
  /** Sends SIGCONT. */
  thaw(): void;
  /** Sends SIGKILL. */
  kill(): void;
  /** Restarts it on the same data, with additional arguments. */
  restart(args?: readonly string[]): Promise<void>;
}

/** `test` when signals can be sent to the Redis; when it runs in a container, a test that is skipped and says why. */
export async function harmfulTest(test: Test): Promise<(name: string, run: () => Promise<void>) => void> {
  if ((await findRedisServer()).binary !== "docker") return test;
  return (name, run) => test.skip(`${name} (skipped: Redis runs in a container, which signals do not reach)`, run);
}

/** Starts a Redis; the arguments are used at each restart too. */
export async function startFaultyRedis(args: readonly string[] = []): Promise<FaultyRedis> {
  const dir = await mkdtemp(join(tmpdir(), "millrace-redis-"));
  let redis: RunningRedis = await startRedis({ json: false, dir, args });
  const { url, port } = redis;
  return {
    url,
    port,
    freeze: () => void process.kill(redis.pid, "SIGSTOP"),
    thaw: () => void process.kill(redis.pid, "SIGCONT"),
    kill: () => void process.kill(redis.pid, "SIGKILL"),
    restart: async (more = []) => {
      await redis.stop();
      redis = await startRedis({ json: false, dir, port, args: [...args, ...more] });
    },
    [Symbol.asyncDispose]: async () => {
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
