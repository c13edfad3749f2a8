/**
 * Counts on Redis, over all partitions.
 */
import type { DayCounts, Statistics, StatusCounts } from "../../feed/statistics.ts";
import { DURATION_BOUNDS_MS } from "../../feed/statistics.ts";
import { isEnded } from "../../execution/event.ts";
import type { RedisConnection } from "./connection/connection.ts";
import { decodeMeta, META_FIELDS } from "./codec.ts";
import type { Keys } from "./keys.ts";

const ENDS = ["completed", "failed", "cancelled"] as const;
const BUCKETS = DURATION_BOUNDS_MS.length + 1;
const NAMES = [...ENDS, "durationMs", ...Array.from({ length: BUCKETS }, (_, bucket) => String(bucket))];

/** {@linkcode Statistics} on Redis. */
export class RedisStatistics implements Statistics {
  readonly #keys: Keys;
  readonly #commands: RedisConnection;

  constructor(options: { keys: Keys; commands: RedisConnection }) {
    this.#keys = options.keys;
    this.#commands = options.commands;
  }

  async active(
    { limit, oldest = false }: { limit: number; oldest?: boolean },
  ): Promise<{ ids: string[]; total: number }> {
    const order = oldest ? ["-", "+", "BYLEX"] : ["+", "-", "BYLEX", "REV"];
    const words = [...order, "LIMIT", "0", String(limit)];
    const pages = await Promise.all(
      this.#each("status:active").map((index) => this.#commands.send<string[]>(["ZRANGE", index, ...words])),
    );
    const all = pages.flat().sort();
    const ids = (oldest ? all : all.reverse()).slice(0, limit);
    // The assembler may not have come to the end of some of them.
    const metas = await Promise.all(
      ids.map((id) => this.#commands.send(["HMGET", this.#keys.meta(id), ...META_FIELDS])),
    );
    const isActive = (i: number) => {
      const meta = decodeMeta(ids[i]!, metas[i] as (string | null)[]);
      return meta !== undefined && !isEnded(meta.status);
    };
    const there = ids.filter((_, i) => isActive(i));
    return { ids: there, total: there.length < limit ? there.length : await this.#count("status:active") };
  }

  async countByStatus(): Promise<StatusCounts> {
    const [active, pending, ...ended] = await Promise.all(
      (["active", "pending", ...ENDS] as const).map((status) => this.#count(`status:${status}`)),
    );
    const [completed = 0, failed = 0, cancelled = 0] = ended;
    return { pending: pending!, running: Math.max(0, active! - pending!), completed, failed, cancelled };
  }

  async days(workflowId: string, days: readonly string[]): Promise<DayCounts[]> {
    const fields = NAMES.map((name) => `${workflowId} ${name}`);
    return await Promise.all(days.map(async (day) => {
      const parts = await Promise.all(
        this.#keys.each((partition) => this.#keys.daily(partition, day)).map((key) =>
          this.#commands.send<(string | null)[]>(["HMGET", key, ...fields])
        ),
      );
      const [completed = 0, failed = 0, cancelled = 0, durationMs = 0, ...buckets] = NAMES.map((_, i) =>
        parts.reduce((sum, part) => sum + Number(part[i] ?? 0), 0)
      );
      return { day, completed, failed, cancelled, durationMs, buckets };
    }));
  }

  async #count(which: `status:${string}`): Promise<number> {
    const counts = await Promise.all(
      this.#each(which).map((index) => this.#commands.send<number>(["ZCARD", index])),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #each(which: `status:${string}`): string[] {
    return this.#keys.each((partition) => this.#keys.index(partition, which));
  }
}
