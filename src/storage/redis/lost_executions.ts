/**
 * Finds executions that callers wait for and that Redis has lost: by a truncated append-only file, or by a failover to
 * a replica that lagged.
 *
 * Invariants:
 * 1. Only executions that are known to have been appended can be lost.
 * 2. The server that is asked must accept writes: a replica may not have an execution yet.
 * 3. An execution is reported as lost only when it is missing in two consecutive rounds: after a wrong report its
 *    caller would send it a second time.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { findLost } from "./scripts/find_lost.ts";
import { executionLost } from "../../execution/refusals.ts";
import type { Waiters } from "../../execution/waiters.ts";

/** How many are asked for by one script. */
const CHUNK = 500;
/** How long the key lives that is touched for the sake of invariant 2: as long as an inbox without its instance. */
const TTL_MS = 60_000;

/** What {@linkcode LostExecutions} is made of. */
export interface LostExecutionsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The callers whose executions are looked for. */
  readonly waiters: Waiters;
  /** Name of this instance. */
  readonly instance: string;
}

/** Finds them and tells their callers. */
export class LostExecutions {
  readonly #options: LostExecutionsOptions;
  /** Executions that were not found once. */
  #missing: ReadonlySet<string> = new Set();

  constructor(options: LostExecutionsOptions) {
    this.#options = options;
  }

  /** Looks for these executions, and for those that were missing before. */
  async tell(ids: readonly string[]): Promise<void> {
    const { waiters } = this.#options;
    const lost = new Set(await this.#find([...new Set([...ids, ...this.#missing])]));
    for (const id of lost) if (this.#missing.has(id)) waiters.fail(id, executionLost(id));
    this.#missing = new Set([...lost].filter((id) => waiters.has(id)));
  }

  async #find(ids: readonly string[]): Promise<string[]> {
    const { keys, commands, instance } = this.#options;
    const byPartition = new Map<number, string[]>();
    for (const id of ids) {
      const partition = keys.partitionOf(id);
      const others = byPartition.get(partition);
      if (others === undefined) byPartition.set(partition, [id]);
      else others.push(id);
    }
    const lost: string[] = [];
    for (const [partition, some] of byPartition) {
      for (let i = 0; i < some.length; i += CHUNK) {
        lost.push(
          ...await findLost(commands, {
            keys: { inbox: keys.inbox(partition, instance) },
            ttlMs: TTL_MS,
            base: keys.base(partition),
            executionIds: some.slice(i, i + CHUNK),
          }),
        );
      }
    }
    return lost;
  }
}
