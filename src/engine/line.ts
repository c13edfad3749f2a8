/**
 * Those who wait for a place of a worker with nothing written yet: the workflows in turn, and of each first come, first
 * served.
 *
 * Invariants:
 * 1. Who waits holds nothing: no place, no share, nothing in the store.
 * 2. Every wait ends, with a place or without one: after its time, and when the line closes.
 * 3. Nobody waits where places do not come free fast enough: another instance may have room.
 *
 * @example
 * ```ts
 * const line = new Line({ take: (executionId, workflow) => placeOn(worker, executionId, workflow) });
 * const place = await line.wait(executionId, workflow, { mostMs: 1000 });
 * // Whenever one comes free:
 * line.serve(1);
 * ```
 */
import type { LocalPlace } from "../execution/short_way.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";

/** Who waits. */
interface Waiting {
  readonly executionId: string;
  readonly workflow: CompiledWorkflow;
  /** Ends the wait. */
  readonly end: (place?: LocalPlace) => void;
}

/** A waiting line in memory. */
export class Line {
  readonly #take: (executionId: string, workflow: CompiledWorkflow) => LocalPlace | undefined;
  /** By workflow; those whose turn comes first stand first. */
  readonly #lines = new Map<string, Set<Waiting>>();
  #size = 0;

  /** @param options.take takes a place; `undefined` when there is none for this workflow */
  constructor(options: { take: (executionId: string, workflow: CompiledWorkflow) => LocalPlace | undefined }) {
    this.#take = options.take;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** True while executions of the workflow wait. */
  has(workflowId: string): boolean {
    return this.#lines.has(workflowId);
  }

  /** Waits for a place, at most `mostMs` milliseconds; never rejects. */
  wait(
    executionId: string,
    workflow: CompiledWorkflow,
    { mostMs }: { mostMs: number },
  ): Promise<LocalPlace | undefined> {
    return new Promise((resolve) => {
      let line = this.#lines.get(workflow.id);
      if (line === undefined) this.#lines.set(workflow.id, line = new Set());
      const waiting: Waiting = {
        executionId,
        workflow,
        end: (place) => {
          clearTimeout(timer);
          line.delete(waiting);
          this.#size--;
          if (line.size === 0) this.#lines.delete(workflow.id);
          resolve(place);
        },
      };
      const timer = setTimeout(() => waiting.end(), mostMs);
      line.add(waiting);
      this.#size++;
    });
  }

  /** Gives as many places away. */
  serve(places: number): void {
    let left = places;
    for (const [workflowId, line] of this.#lines) {
      if (left === 0) return;
      const [first] = line;
      const place = this.#take(first!.executionId, first!.workflow);
      // It has its share.
      if (place === undefined) continue;
      left--;
      first!.end(place);
      if (line.size === 0) continue;
      // To the end, where this loop comes to it again.
      this.#lines.delete(workflowId);
      this.#lines.set(workflowId, line);
    }
  }

  /** Ends all waits. */
  close(): void {
    for (const line of this.#lines.values()) for (const waiting of line) waiting.end();
  }
}
