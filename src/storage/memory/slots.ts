/**
 * Slots of workflows with a limit on concurrent executions, and the lines of executions that wait for one.
 *
 * Invariants:
 * 1. An execution is in the line, holds a slot, or neither; never both.
 * 2. The line is first in, first out: none is admitted before the head, whatever limit it came with.
 * 3. The head is admitted by the limit in its own request, so a limit that a newer version changed applies to newer
 *    executions only.
 */
import type { MemoryExecution } from "./state.ts";

/** The slots of one workflow. Both sets are oldest first. */
interface WorkflowSlots {
  readonly holders: Set<MemoryExecution>;
  readonly line: Set<MemoryExecution>;
}

/** The slots of every workflow, in one process. */
export class Slots {
  readonly #slots = new Map<string, WorkflowSlots>();

  /** Whether a request with this limit would get a slot at once. */
  isFree(workflowId: string, limit: number): boolean {
    const slots = this.#slots.get(workflowId);
    return slots === undefined || (slots.line.size === 0 && slots.holders.size < limit);
  }

  /** Puts an execution at the end of its workflow's line. */
  join(execution: MemoryExecution): void {
    const { workflowId } = execution.request;
    let slots = this.#slots.get(workflowId);
    if (slots === undefined) this.#slots.set(workflowId, slots = { holders: new Set(), line: new Set() });
    slots.line.add(execution);
  }

  /** Gives the head of the line a slot and returns it, if there is one free. */
  admit(workflowId: string): MemoryExecution | undefined {
    const slots = this.#slots.get(workflowId);
    const [head] = slots?.line ?? [];
    if (slots === undefined || head === undefined || slots.holders.size >= limitOf(head)) return undefined;
    slots.line.delete(head);
    slots.holders.add(head);
    return head;
  }

  /** Whether the execution holds a slot. */
  holds(execution: MemoryExecution): boolean {
    return this.#slots.get(execution.request.workflowId)?.holders.has(execution) ?? false;
  }

  /** The executions that must end before one in line gets a slot: those before it in line, and the oldest holders. */
  inTheWayOf(execution: MemoryExecution): MemoryExecution[] {
    const slots = this.#slots.get(execution.request.workflowId);
    if (slots === undefined) return [];
    const line = [...slots.line];
    const tooMany = Math.max(0, slots.holders.size - limitOf(execution) + 1);
    return [...line.slice(0, line.indexOf(execution)), ...[...slots.holders].slice(0, tooMany)];
  }

  /** Gives up the execution's slot, or its place in the line. */
  leave(execution: MemoryExecution): void {
    const { workflowId } = execution.request;
    const slots = this.#slots.get(workflowId);
    if (slots === undefined) return;
    slots.holders.delete(execution);
    slots.line.delete(execution);
    if (slots.holders.size + slots.line.size === 0) this.#slots.delete(workflowId);
  }
}

/** Only executions with a limit are ever in a line. */
function limitOf(execution: MemoryExecution): number {
  return execution.request.concurrency?.limit ?? Infinity;
}
