/**
 * The client's records: every logical call, each try, and every answer.
 */
import type { Kind, Payload } from "./workflows.ts";

/** One try: an answer, or why there was none. Times are epoch milliseconds. */
export interface Attempt {
  /** Name of the instance that was asked. */
  readonly instance: string;
  readonly sentAt: number;
  readonly endedAt: number;
  readonly status?: number;
  readonly body?: string;
  readonly executionId?: string;
  /** The connection was refused or lost, or nothing came in time. */
  readonly error?: string;
}

/** One thing that a caller wants done, under one `Idempotency-Key`. */
export interface Call {
  readonly kind: Kind;
  readonly payload: Payload;
  readonly startedAt: number;
  readonly attempts: Attempt[];
  /** When it was answered and perhaps sent again, or given up: nothing is added after that. */
  settledAt?: number;
  /** The answer that settled it. */
  answer?: Attempt;
  /** The client wants no answer any more. */
  hungUp?: true;
  /** The same call sent again after its answer, to another instance. */
  readonly replays: Attempt[];
}

/** True for an answer that ends a call: anything but "not now". */
export function settles({ status }: Pick<Attempt, "status">): boolean {
  return status !== undefined && status !== 503;
}

/** True when the call's execution is known to exist: the answer says so. */
export function isAccepted({ answer }: Call): boolean {
  const status = answer?.status ?? 0;
  return answer?.executionId !== undefined && (status < 300 || status === 500 || status === 504);
}
