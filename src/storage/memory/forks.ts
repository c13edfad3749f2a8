/**
 * The memory driver's links between executions and their forks: they lie with the executions, and go with them.
 */
import { type ForkLink, type Forks, MAX_FORKS } from "../../execution/forks.ts";
import type { MemoryState } from "./state.ts";

/** {@linkcode Forks} in memory. */
export class MemoryForks implements Forks {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  link({ of, fork }: ForkLink): Promise<void> {
    const [made, original] = [this.#state.find(fork), this.#state.find(of)];
    if (made !== undefined) made.forkOf = of;
    if (original !== undefined) {
      const forks = new Set(original.forks).add(fork);
      original.forks = [...forks].sort().slice(-MAX_FORKS);
    }
    return Promise.resolve();
  }

  list(executionId: string): Promise<string[]> {
    return Promise.resolve([...this.#state.find(executionId)?.forks ?? []]);
  }
}
