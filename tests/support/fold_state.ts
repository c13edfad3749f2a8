/**
 * The state of an execution, folded from its whole log: the reference for states that are kept incrementally.
 *
 * @example
 * ```ts
 * assert.is(foldState(executionId, await store.log.read(executionId)).status, "completed");
 * ```
 */
import type { LogEvent } from "../../src/execution/event.ts";
import { applyEvent, emptyState, type ExecutionState, showState } from "../../src/execution/state.ts";

/** The shown state after these events. */
export function foldState(executionId: string, events: readonly LogEvent[]): ExecutionState {
  const state = emptyState();
  for (const event of events) applyEvent(state, event);
  return showState(executionId, state);
}
