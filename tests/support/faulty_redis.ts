/**
 * A Redis of a test's own that can be frozen, killed and started again on the same port.
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

/** A Redis to do harm to. */
export interface FaultyRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** SIGSTOP: the kernel goes on to accept connections for it. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** SIGKILL. */
  kill(): void;
  /** Starts it again, with what it had on disk and these arguments besides. */
  restart(args?: readonly string[]): Promise<void>;
}

/** `test` where signals reach a Redis; where it runs in a container, one that is skipped and says why. */
export async function harmfulTest(test: Test): Promise<(name: string, run: () => Promise<void>) => void> {
  if ((await findRedisServer()).binary !== "docker") return test;
  return (name, run) => test.skip(`${name} (skipped: Redis runs in a container, which signals do not reach)`, run);
}

/** Starts one, with these arguments each time. */
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
