/**
 * A claim: what a worker holds while it runs an execution.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Mutable } from "../lib/mutable.ts";
import type { ExecutionRequest } from "./request.ts";

/**
 * How an execution came to its worker: over the work queue, claimed by the instance that accepted it, or run by that one
 * before anything was written.
 */
export type Way = "queue" | "local" | "single-write";

/** What a worker holds while it runs an execution. */
export interface Claim {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Counts the claims; the store refuses what comes with a lower one. */
  readonly epoch: number;
  /** The work entry's id; empty when the execution did not come over the work queue. */
  readonly entryId: string;
  readonly way: Way;
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

/** The claim of the instance that accepted an execution. */
export function localClaim(request: ExecutionRequest, requestedAt: number): Claim {
  const { executionId, workflowId, version, trigger, input, replyTo, replyEarly = false, fork } = request;
  const claim: Mutable<Claim> = {
    executionId,
    workflowId,
    version,
    trigger,
    epoch: 1,
    entryId: "",
    way: "local",
    replyEarly,
    requestedAt,
    sequence: 1,
    paused: false,
    deliveries: 0,
  };
  if (replyTo !== undefined) claim.replyTo = replyTo;
  if (fork === undefined) claim.input = input;
  return claim;
}
