/**
 * What lets executions in, and the lines of those that wait for it, in groups: a workflow has as many slots as its
 * limit, and its lock for one value has one.
 *
 * Invariants:
 * 1. Of each of its groups an execution is in the line, holds a slot, or neither; never both.
 * 2. It gets into its lock first and then into its workflow's slots; it runs once it holds all.
 * 3. A queue is ordered by execution id. No execution is admitted before the first one, whichever limit it has.
 * 4. The head is admitted by the limit in its own request, so a limit that a newer version changed applies to newer
 *    executions only.
 */
import type { MemoryExecution } from "./state.ts";

/** One group. */
interface Group {
  readonly holders: Set<MemoryExecution>;
  /** The oldest first. */
  readonly line: MemoryExecution[];
}

/** What a request has to get into. */
type Request = Pick<MemoryExecution["request"], "workflowId" | "concurrency">;

/** The groups of every workflow, in one process. */
export class Slots {
  readonly #groups = new Map<string, Group>();

  /** Whether a request would be let in at once. */
  isFree(request: Request): boolean {
    return groupsOf(request).every(({ name, limit }) => {
      const group = this.#groups.get(name);
      return group === undefined || (group.line.length === 0 && group.holders.size < limit);
    });
  }

  /** Puts an execution into the line of its first group. */
  join(execution: MemoryExecution): void {
    this.#join(execution, groupsOf(execution.request)[0]!.name);
  }

  /** Lets into a request's groups whoever waits and finds room; those who hold all that they need from now on. */
  admit(request: Request): MemoryExecution[] {
    return groupsOf(request).flatMap(({ name }) => this.#admit(name));
  }

  /**
   * The executions that must end before one in line gets in: all of its lock, and the oldest of too many with slots.
   */
  inTheWayOf(execution: MemoryExecution): MemoryExecution[] {
    const found = new Set<MemoryExecution>();
    for (const { name, limit } of groupsOf(execution.request)) {
      const { line = [], holders = [] } = this.#groups.get(name) ?? {};
      for (const each of line) if (idOf(each) < idOf(execution)) found.add(each);
      const stay = [...holders].filter((each) => !found.has(each)).sort(byId);
      for (const each of stay.slice(0, Math.max(0, stay.length - limit + 1))) {
        if (idOf(each) < idOf(execution)) found.add(each);
      }
    }
    return [...found];
  }

  /** Gives up what the execution holds, and its places in lines. */
  leave(execution: MemoryExecution): void {
    for (const { name } of groupsOf(execution.request)) this.#groups.get(name)?.holders.delete(execution);
    this.leaveLines(execution);
  }

  /** Gives up the execution's places in lines; what it holds, it holds on. */
  leaveLines(execution: MemoryExecution): void {
    for (const { name } of groupsOf(execution.request)) {
      const group = this.#groups.get(name);
      if (group === undefined) continue;
      const at = group.line.indexOf(execution);
      if (at >= 0) group.line.splice(at, 1);
      if (group.holders.size + group.line.length === 0) this.#groups.delete(name);
    }
  }

  #join(execution: MemoryExecution, name: string): void {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = { holders: new Set(), line: [] });
    let at = group.line.length;
    while (at > 0 && idOf(group.line[at - 1]!) > idOf(execution)) at--;
    group.line.splice(at, 0, execution);
  }

  #admit(name: string): MemoryExecution[] {
    const group = this.#groups.get(name);
    const admitted: MemoryExecution[] = [];
    for (;;) {
      const head = group?.line[0];
      if (group === undefined || head === undefined) return admitted;
      const groups = groupsOf(head.request);
      const at = groups.findIndex((each) => each.name === name);
      if (group.holders.size >= groups[at]!.limit) return admitted;
      group.line.shift();
      group.holders.add(head);
      const next = groups[at + 1];
      if (next === undefined) admitted.push(head);
      else {
        this.#join(head, next.name);
        admitted.push(...this.#admit(next.name));
      }
    }
  }
}

/** The groups that a request has to get into, in this order. */
function groupsOf({ workflowId, concurrency: { limit, lock } = { onOverlap: "queue" } }: Request) {
  return [
    ...(lock === undefined ? [] : [{ name: `${workflowId}:${lock}`, limit: 1 }]),
    ...(limit === undefined ? [] : [{ name: workflowId, limit }]),
  ];
}

function idOf({ request }: MemoryExecution): string {
  return request.executionId;
}

function byId(a: MemoryExecution, b: MemoryExecution): number {
  return idOf(a) < idOf(b) ? -1 : 1;
}
