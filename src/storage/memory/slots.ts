/**
 * The slots of workflows that limit how many of their executions are under way, and the lines before them.
 *
 * Invariants:
 * 1. An execution is in the line, holds a slot, or neither; never both.
 * 2. The line is first in, first out: nobody is admitted before the head, whatever limit it came with.
 * 3. The head is admitted by the limit that its own request named, so a limit that a newer version changed counts
 *    for the newer executions only.
 */
import type { MemoryExecution } from "./state.ts";

interface Line {
  /** Oldest first. */
  readonly holders: Set<MemoryExecution>;
  readonly waiting: Set<MemoryExecution>;
}

/** The slots of every workflow, in one process. */
export class Slots {
  readonly #lines = new Map<string, Line>();

  /** Whether a request with this limit would get a slot at once. */
  isFree(workflowId: string, limit: number): boolean {
    const line = this.#lines.get(workflowId);
    return line === undefined || (line.waiting.size === 0 && line.holders.size < limit);
  }

  /** Puts an execution at the end of its workflow's line. */
  join(execution: MemoryExecution): void {
    const { workflowId } = execution.request;
    let line = this.#lines.get(workflowId);
    if (line === undefined) this.#lines.set(workflowId, line = { holders: new Set(), waiting: new Set() });
    line.waiting.add(execution);
  }

  /** Gives the head of the line a slot and returns it, if there is one free. */
  admit(workflowId: string): MemoryExecution | undefined {
    const line = this.#lines.get(workflowId);
    const [head] = line?.waiting ?? [];
    if (line === undefined || head === undefined || line.holders.size >= limitOf(head)) return undefined;
    line.waiting.delete(head);
    line.holders.add(head);
    return head;
  }

  /** Whether the execution holds a slot. */
  holds(execution: MemoryExecution): boolean {
    return this.#lines.get(execution.request.workflowId)?.holders.has(execution) ?? false;
  }

  /** What keeps an execution of the line from a slot: those before it in the line, and the oldest holders. */
  inTheWayOf(execution: MemoryExecution): MemoryExecution[] {
    const line = this.#lines.get(execution.request.workflowId);
    if (line === undefined) return [];
    const waiting = [...line.waiting];
    const tooMany = Math.max(0, line.holders.size - limitOf(execution) + 1);
    return [...waiting.slice(0, waiting.indexOf(execution)), ...[...line.holders].slice(0, tooMany)];
  }

  /** Gives up the execution's slot, or its place in the line. */
  leave(execution: MemoryExecution): void {
    const { workflowId } = execution.request;
    const line = this.#lines.get(workflowId);
    if (line === undefined) return;
    line.holders.delete(execution);
    line.waiting.delete(execution);
    if (line.holders.size + line.waiting.size === 0) this.#lines.delete(workflowId);
  }
}

/** Only executions with a limit are ever in a line. */
function limitOf(execution: MemoryExecution): number {
  return execution.request.concurrency?.limit ?? Infinity;
}
