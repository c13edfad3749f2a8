/**
 * The embedded driver: everything in this process's memory, no server. The default when no Redis is configured.
 *
 * @example
 * ```ts
 * await using store = createMemoryStore({ instance: "local" });
 * ```
 */
import type { Store, StoreHealth } from "../port.ts";
import { MemoryLog } from "./execution_log.ts";
import { MemoryProjections } from "./projections.ts";
import { MemoryState } from "./state.ts";
import { MemoryWorkflowStore } from "./workflow_store.ts";

/** Makes a store that lives as long as the process. */
export function createMemoryStore(options: { instance: string; maxWaiters?: number }): Store {
  const { instance, maxWaiters = 10_000 } = options;
  const state = new MemoryState();
  const log = new MemoryLog(state, { instance, maxWaiters });
  return {
    driver: "memory",
    documents: "memory",
    log,
    work: log,
    projections: new MemoryProjections(state),
    workflows: new MemoryWorkflowStore(),
    waiting: () => log.waiting,
    ready: () => true,
    health: (): Promise<StoreHealth> => Promise.resolve({ status: "disabled" }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
