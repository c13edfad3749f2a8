/**
 * Logs to fold, compare and pace: what an `ExecutionLog` gives, from lists.
 */
import type { ExecutionLog } from "../../src/execution/log.ts";
import type { LogEvent, StoredEvent } from "../../src/execution/event.ts";
import type { JsonValue } from "../../src/lib/json.ts";

/** Events with entry ids `<1000 + n>-0`, and times that are the same milliseconds, unless they have their own. */
export function stored(events: readonly (Omit<LogEvent, "time"> & { time?: number })[]): StoredEvent[] {
  return events.map((event, index) => ({ time: 1000 + index, ...event, id: `${1000 + index}-0` }) as StoredEvent);
}

/** A log that holds these events of one execution, in pages of `pageSize`. */
export function logOf(events: readonly StoredEvent[], pageSize = 2): Pick<ExecutionLog, "pages"> {
  return {
    async *pages() {
      for (let from = 0; from < events.length; from += pageSize) {
        await Promise.resolve();
        yield events.slice(from, from + pageSize);
      }
    },
  };
}

/** A run of `hook` → `sum` → `reply` that completed. */
export function completedRun(sum: JsonValue = { total: 1 }, version = 1): StoredEvent[] {
  return stored([
    { type: "execution.requested", data: { workflowId: "orders", version, trigger: "hook", input: { n: 1 } } },
    { type: "execution.started", data: { epoch: 1, worker: "w" } },
    { type: "node.started", node: "sum", data: { attempt: 1 } },
    { type: "node.completed", node: "sum", data: { output: sum } },
    { type: "node.started", node: "reply", data: { attempt: 1 } },
    { type: "node.completed", node: "reply", data: { output: { status: 200 }, responds: true } },
    { type: "execution.completed", data: { lastNode: "reply", responseNode: "reply" } },
  ]);
}
