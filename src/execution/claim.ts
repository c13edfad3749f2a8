/**
 * A claim: what a worker holds while it runs an execution.
 */
import type { JsonValue } from "../lib/json.ts";

/** What a worker holds while it runs an execution. */
export interface Claim {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Counts the claims; the store refuses what comes with a lower one. */
  readonly epoch: number;
  /** The work entry's id. */
  readonly entryId: string;
  /** The instance whose inbox gets the reply, if a caller waits. */
  readonly replyTo?: string;
  /** The caller is answered when the first node responds. */
  readonly replyEarly: boolean;
  /** Epoch milliseconds of `execution.requested`. */
  readonly requestedAt: number;
  /** The trigger's output, on a first delivery; absent when the log must be read: later claims, large inputs. */
  readonly input?: JsonValue;
  /** How many events claims have appended so far, the request counted: what the next append must name. */
  readonly sequence: number;
  /** The execution is paused: no node may start. */
  readonly paused: boolean;
  /** How many claims ended without a word since the execution last made progress: with any, it is a suspect. */
  readonly deliveries: number;
  /** Another program runs it, and has not ended it by its deadline: nothing is run, it times out. */
  readonly external?: true;
}
