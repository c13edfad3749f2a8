/**
 * A small model of workflow locks, for the property in `workflow_lock_test.ts`.
 */
import fc from "fast-check";

/** One thing that happens: a request of a value, or the end or cancellation of an execution. */
export const step = fc.tuple(fc.constantFrom("a", "a", "b", "c", "end", "end", "cancel"), fc.nat({ max: 20 }));

/** Which executions run: the lock first, then a slot, both by arrival. */
export class LockModel {
  readonly all: string[] = [];
  /** Those that have not ended, by arrival, with their values. */
  readonly alive = new Map<string, string>();
  readonly #limit: number;
  readonly #running = new Set<string>();

  constructor(limit = Infinity) {
    this.#limit = limit;
  }

  request(id: string, value: string): void {
    this.all.push(id);
    this.alive.set(id, value);
  }

  end(id: string): void {
    this.alive.delete(id);
    this.#running.delete(id);
  }

  /** Those that run from now on. */
  admitted(): string[] {
    const heads = [...this.alive].filter(([id, value]) => [...this.alive].find(([, v]) => v === value)![0] === id);
    const next = heads.map(([id]) => id).filter((id) => !this.#running.has(id))
      .slice(0, Math.max(0, this.#limit - this.#running.size));
    for (const id of next) this.#running.add(id);
    return next;
  }
}
