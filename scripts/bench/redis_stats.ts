/**
 * Statistics of Redis between two reads: commands (those of scripts included), bytes, and processor time.
 */
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import type { RunningRedis } from "../redis_server.ts";
import { cpuMicroseconds } from "./process.ts";

/** Sums since the server's start. */
export interface RedisSums {
  readonly commands: number;
  /** Read from and written to clients. */
  readonly bytes: number;
  readonly cpuMicroseconds: number;
}

/** Looks at one server, over a connection of its own. */
export class RedisStats implements Disposable {
  readonly #redis: RunningRedis;
  readonly #connection: RedisConnection;

  private constructor(redis: RunningRedis, connection: RedisConnection) {
    this.#redis = redis;
    this.#connection = connection;
  }

  static async open(redis: RunningRedis): Promise<RedisStats> {
    return new RedisStats(redis, await RedisConnection.open({ url: redis.url, name: "bench" }));
  }

  /** The connection, for whatever else a measurement asks of the server. */
  get connection(): RedisConnection {
    return this.#connection;
  }

  async read(): Promise<RedisSums> {
    const [commands, stats] = await Promise.all(
      ["commandstats", "stats"].map((section) => this.#connection.send<string>(["INFO", section])),
    );
    const counted = [...commands!.matchAll(/^cmdstat_(?!info|evalsha|eval)[^:]+:calls=(\d+)/gm)];
    const bytes = ["input", "output"].map((way) => new RegExp(`^total_net_${way}_bytes:(\\d+)`, "m").exec(stats!)?.[1]);
    return {
      commands: counted.reduce((sum, match) => sum + Number(match[1]), 0),
      bytes: bytes.reduce((sum, text) => sum + Number(text ?? 0), 0),
      cpuMicroseconds: cpuMicroseconds(this.#redis.pid),
    };
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
