/**
 * The port of the dead letters: executions that were given up.
 */
import type { JsonValue } from "../lib/json.ts";
import type { NodeErrorData } from "../lib/errors.ts";

/** An execution that was given up because it ended `MAX_DELIVERIES` workers, one after the other, without progress. */
export interface DeadLetter {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Epoch milliseconds. */
  readonly requestedAt: number;
  readonly diedAt: number;
  /** How many claims it had without progress. */
  readonly deliveries: number;
  readonly error: NodeErrorData;
}

/** The dead letters; the newest thousand of each partition are kept. */
export interface DeadLetters {
  /** A page, by execution id, the newest first. `cursor` is the execution id that the page before ended with. */
  list(options: { limit: number; cursor?: string }): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }>;
  /** One, with the trigger's output. */
  get(executionId: string): Promise<DeadLetter & { input: JsonValue } | undefined>;
  /** Forgets one; false if there is none. */
  drop(executionId: string): Promise<boolean>;
}
