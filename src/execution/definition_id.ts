/**
 * The id under which an execution's definition is stored.
 */
import type { ExecutionMeta } from "./log.ts";
import { IMPORT_PREFIX } from "../workflow/workflow_store.ts";

/**
 * The id under which the version that an execution ran is stored. For imported executions it has a prefix, since this
 * installation may have another workflow with the same id.
 */
export function definitionId(workflowId: string, meta: ExecutionMeta | undefined): string {
  return meta?.imported === undefined ? workflowId : `${IMPORT_PREFIX}${meta.executionId}`;
}
