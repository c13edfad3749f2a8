/**
 * A fork: an execution that begins as another one was recorded, and goes on from there by itself.
 */
import type { JsonValue } from "../lib/json.ts";

/** What of a fork stands in its `execution.requested`. */
export interface ForkOrigin {
  /** The execution whose record it begins with. */
  readonly executionId: string;
  /**
   * Where it begins to run by itself: a node's id, before which all that does not come after it is as it was recorded; or
   * an entry's id, before which all that had ended is. Absent: at the trigger.
   */
  readonly from?: string;
  /** `stub`: nodes with side effects answer from the record. */
  readonly mode: "stub" | "live";
  readonly workflow: "recorded" | "current";
  /** What the node `from` is given instead of what reaches it. */
  readonly input?: JsonValue;
  /** What `$execution` says in a stub: the recorded execution's own. */
  readonly identity: { readonly id: string; readonly workflowId: string; readonly version: number };
}
