/**
 * The state that a log gives, folded event by event: what any incremental way has to agree with.
 *
 * @example
 * ```ts
 * assert.is(foldState(executionId, await store.log.read(executionId)).status, "completed");
 * ```
 */
import type { LogEvent } from "../../src/execution/event.ts";
import { applyEvent, emptyState, type ExecutionState, showState } from "../../src/execution/state.ts";

/** What is shown of the state after these events. */
export function foldState(executionId: string, events: readonly LogEvent[]): ExecutionState {
  const state = emptyState();
  for (const event of events) applyEvent(state, event);
  return showState(executionId, state);
}
