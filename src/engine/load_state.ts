/**
 * From which state a claim runs its execution.
 */
import type { Claim } from "../execution/claim.ts";
import type { ExecutionLog } from "../execution/log.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";
import { interrupt } from "./advance.ts";

/** Folds the log, or on a first delivery only what came with the claim. Nodes that were under way begin again. */
export function loadState(claim: Claim, log: Pick<ExecutionLog, "pages">): RunState | Promise<RunState> {
  if (claim.input === undefined) return foldLog(claim, log);
  const state = emptyState();
  const { workflowId, version, trigger, input, requestedAt: time } = claim;
  applyEvent(state, { type: "execution.requested", time, data: { workflowId, version, trigger, input } });
  return state;
}

async function foldLog(claim: Claim, log: Pick<ExecutionLog, "pages">): Promise<RunState> {
  const state = emptyState();
  for await (const page of log.pages(claim.executionId)) {
    for (const event of page) applyEvent(state, event);
  }
  for (const id of [...state.nodes.keys()]) interrupt(state, id);
  return state;
}
