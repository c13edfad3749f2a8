/**
 * Bounds the memory driver in bytes, over logs, results, dead letters and idempotency keys.
 *
 * Invariants:
 * 1. An execution counts twice until it ends: once as stored, once as held by a worker.
 * 2. Past the limit the executions that ended first are removed, then the oldest dead letters. Executions that have not
 *    ended are never removed, and neither are keys: without its key a request could start twice.
 * 3. A request that would not fit even after all removals is refused. Running executions may grow until they fill the
 *    limit, counted once; after that their appends are refused, and they fail.
 */
import { AppendRefusedError } from "../../lib/errors.ts";
import { storageFull } from "../../execution/refusals.ts";
import type { MemoryExecution } from "./state.ts";

/** Something besides executions that takes memory. */
export interface Holding {
  /** Bytes that it takes now, estimated. */
  readonly bytes: number;
  /** Removes its oldest part; false when it is empty. Absent where nothing may be removed. */
  dropOldest?(): boolean;
}

/** Options of a {@linkcode Retention}. */
export interface RetentionOptions {
  /** The limit, in bytes. Required. */
  readonly limitBytes: number;
  /** Keep what has ended, and refuse requests instead. Default false. */
  readonly keepsEnded?: boolean | undefined;
  /** What counts besides executions. Required. */
  readonly holdings: readonly Holding[];
  /** Removes an execution that has ended, and calls {@linkcode Retention.gone}. Required. */
  readonly forget: (execution: MemoryExecution) => void;
}

/** Counts the bytes of all executions, and removes ended ones past the limit. */
export class Retention {
  readonly #options: RetentionOptions;
  /** Ended executions, the one that ended first at the front. */
  readonly #ended = new Set<MemoryExecution>();
  #endedBytes = 0;
  #underWayBytes = 0;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Bytes that are kept now. */
  get bytes(): number {
    return this.#underWayBytes + this.#endedBytes + sum(this.#options.holdings);
  }

  /** Throws `storage_full` when a request of that size does not fit; invariant 3. */
  admit(bytes: number): void {
    const { holdings, keepsEnded, limitBytes } = this.#options;
    const stays = sum(holdings.filter((it) => it.dropOldest === undefined)) + (keepsEnded ? this.#endedBytes : 0);
    if (2 * (this.#underWayBytes + bytes) + stays > limitBytes) throw storageFull();
  }

  /** Throws `AppendRefusedError` when an append of that size does not fit; invariant 3. */
  admitAppend(bytes: number): void {
    if (this.#underWayBytes + bytes <= this.#options.limitBytes) return;
    throw new AppendRefusedError("storage_full", "What runs has taken all the room that there is for executions");
  }

  /** Adds to the bytes of an execution; negative to subtract. */
  grow(execution: MemoryExecution, bytes: number): void {
    execution.bytes += bytes;
    if (this.#ended.has(execution)) this.#endedBytes += bytes;
    else this.#underWayBytes += bytes;
    this.#makeRoom();
  }

  /** Marks an execution as ended: it may be removed from now on. */
  ended(execution: MemoryExecution): void {
    this.#ended.add(execution);
    this.#endedBytes += execution.bytes;
    this.#underWayBytes -= execution.bytes;
    this.#makeRoom();
  }

  /** Marks an ended execution as removed. */
  gone(execution: MemoryExecution): void {
    if (this.#ended.delete(execution)) this.#endedBytes -= execution.bytes;
  }

  #makeRoom(): void {
    const { limitBytes, forget, holdings, keepsEnded } = this.#options;
    if (keepsEnded) return;
    while (2 * this.#underWayBytes + this.#endedBytes + sum(holdings) > limitBytes) {
      const [oldest] = this.#ended;
      if (oldest !== undefined) forget(oldest);
      else if (!holdings.some((holding) => holding.dropOldest?.())) return;
    }
  }
}

function sum(holdings: readonly Holding[]): number {
  return holdings.reduce((all, { bytes }) => all + bytes, 0);
}
