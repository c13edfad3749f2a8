/**
 * Which workflows lose nothing by running twice.
 */
import type { CompiledWorkflow } from "../workflow/definition.ts";

/** What is known of a workflow without looking at its nodes again. */
const known = new WeakMap<CompiledWorkflow, boolean>();

/** Whether no node of the workflow has side effects, or runs under a lock: that is to be held by what is known to run. */
export function isPure(workflow: CompiledWorkflow): boolean {
  let pure = known.get(workflow);
  if (pure === undefined) {
    pure = [...workflow.graph.values()].every(({ hasSideEffects, definition }) =>
      !hasSideEffects && definition.lock === undefined
    );
    known.set(workflow, pure);
  }
  return pure;
}
