/**
 * How much the memory driver keeps, in bytes, over everything: logs, results, dead letters, idempotency keys.
 *
 * Invariants:
 * 1. What an execution takes counts twice while it is under way: once kept, once in the hands of a worker.
 * 2. Past the limit the executions that ended first are forgotten, then the oldest dead letters; never what is under
 *    way, and never a key, which would let something start twice.
 * 3. A request that would not fit though all that were forgotten is refused. What runs may grow on, to the whole limit
 *    counted once; past that its own appends are refused, and it ends.
 */
import { AppendRefusedError } from "../../lib/errors.ts";
import { storageFull } from "../../execution/refusals.ts";
import type { MemoryExecution } from "./state.ts";

/** Something besides executions that takes room. */
export interface Holding {
  /** How many bytes it takes now, about. */
  readonly bytes: number;
  /** Lets its oldest part go; false when there is none. Absent where nothing may go. */
  dropOldest?(): boolean;
}

/** What a {@linkcode Retention} is made of. */
export interface RetentionOptions {
  readonly limitBytes: number;
  readonly holdings: readonly Holding[];
  /** Forgets an execution that has ended, and calls {@linkcode Retention.gone}. */
  readonly forget: (execution: MemoryExecution) => void;
}

/** Keeps the books. */
export class Retention {
  readonly #options: RetentionOptions;
  /** In the order of their ends. */
  readonly #ended = new Set<MemoryExecution>();
  #endedBytes = 0;
  #underWayBytes = 0;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** What is kept, in bytes. */
  get bytes(): number {
    return this.#underWayBytes + this.#endedBytes + sum(this.#options.holdings);
  }

  /** Refuses a request of that size when there is no room for it. Throws `storage_full`. */
  admit(bytes: number): void {
    const stays = this.#options.holdings.filter((it) => it.dropOldest === undefined);
    if (2 * (this.#underWayBytes + bytes) + sum(stays) > this.#options.limitBytes) throw storageFull();
  }

  /** Refuses an append of that size when what runs has taken all there is. Throws `AppendRefusedError`. */
  admitAppend(bytes: number): void {
    if (this.#underWayBytes + bytes <= this.#options.limitBytes) return;
    throw new AppendRefusedError("storage_full", "What runs has taken all the room that there is for executions");
  }

  /** Counts what an execution takes more, or less. */
  grow(execution: MemoryExecution, bytes: number): void {
    execution.bytes += bytes;
    if (this.#ended.has(execution)) this.#endedBytes += bytes;
    else this.#underWayBytes += bytes;
    this.#makeRoom();
  }

  /** An execution has ended: it may be forgotten from now on. */
  ended(execution: MemoryExecution): void {
    this.#ended.add(execution);
    this.#endedBytes += execution.bytes;
    this.#underWayBytes -= execution.bytes;
    this.#makeRoom();
  }

  /** An execution that had ended was forgotten. */
  gone(execution: MemoryExecution): void {
    if (this.#ended.delete(execution)) this.#endedBytes -= execution.bytes;
  }

  #makeRoom(): void {
    const { limitBytes, forget, holdings } = this.#options;
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
