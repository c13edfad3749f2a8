/**
 * Where the definition is that an execution ran.
 */
import type { ExecutionMeta } from "../execution/log.ts";
import { IMPORT_PREFIX } from "../workflow/workflow_store.ts";

/**
 * The id under which the version of an execution's workflow is kept: of an imported one, under a name of its own, since
 * this installation may have another workflow of the same name.
 */
export function definitionId(workflowId: string, meta: ExecutionMeta | undefined): string {
  return meta?.imported === undefined ? workflowId : `${IMPORT_PREFIX}${meta.executionId}`;
}
