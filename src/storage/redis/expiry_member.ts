/**
 * What an execution that has ended is called in the set of what the lists forget; see `Keys.expiry`.
 */
import type { FeedEntry } from "../../feed/projections.ts";
import { countsOf } from "../../feed/statistics.ts";

/** Its member of that set, the same from whatever entry it is made; the script that assembles makes it of the same words. */
export function expiryMember(
  { executionId, workflowId, imported }: Pick<FeedEntry, "executionId" | "workflowId" | "imported">,
  ended: NonNullable<FeedEntry["ended"]>,
): string {
  if (imported) return [executionId, ended.status, workflowId].join(" ");
  const { day, status, durationMs, bucket } = countsOf(ended);
  return [executionId, status, workflowId, day, durationMs, bucket].join(" ");
}
