/**
 * The links between executions and their forks on Redis.
 */
import type { ForkLink, Forks } from "../../execution/forks.ts";
import { MAX_FORKS } from "../../execution/forks.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { addFork, markFork } from "./scripts/link_fork.ts";

/** {@linkcode Forks} on Redis. */
export class RedisForks implements Forks {
  readonly #keys: Keys;
  readonly #commands: RedisConnection;

  constructor(options: { keys: Keys; commands: RedisConnection }) {
    this.#keys = options.keys;
    this.#commands = options.commands;
  }

  async link({ of, fork }: ForkLink, { ttlSeconds }: { ttlSeconds: number }): Promise<void> {
    const keys = { log: this.#keys.log(of), forks: this.#keys.forks(of) };
    await Promise.all([
      markFork(this.#commands, { meta: this.#keys.meta(fork), of }),
      addFork(this.#commands, { keys, fork, ttlSeconds, limit: MAX_FORKS }),
    ]);
  }

  async list(executionId: string): Promise<string[]> {
    return await this.#commands.send<string[]>(["ZRANGE", this.#keys.forks(executionId), "0", "-1"]);
  }
}
