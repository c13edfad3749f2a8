/**
 * Names of the keys that an execution begins with.
 */
import type { Keys } from "./keys.ts";

/** What one execution is kept under, and the streams and timers of its partition. Each name is made when asked for. */
export class ExecutionKeys {
  readonly #keys: Keys;
  readonly #executionId: string;
  readonly #partition: number;

  constructor(keys: Keys, executionId: string) {
    this.#keys = keys;
    this.#executionId = executionId;
    this.#partition = keys.partitionOf(executionId);
  }

  get meta(): string {
    return this.#keys.meta(this.#executionId);
  }

  get log(): string {
    return this.#keys.log(this.#executionId);
  }

  get result(): string {
    return this.#keys.result(this.#executionId);
  }

  get values(): string {
    return this.#keys.values(this.#executionId);
  }

  get feed(): string {
    return this.#keys.feed(this.#partition);
  }

  get work(): string {
    return this.#keys.work(this.#partition);
  }

  get timers(): string {
    return this.#keys.timers(this.#partition);
  }
}
