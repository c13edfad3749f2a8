/**
 * The port of what is counted: what is active now, and what ended on which day.
 */
import type { ExecutionStatus } from "../execution/event.ts";

/**
 * Upper bounds of the buckets of a duration histogram, in milliseconds, each inclusive; what is longer is in one more.
 */
export const DURATION_BOUNDS_MS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000],
] as const;

/** How many days are kept, the present one counted. */
export const KEPT_DAYS = 35;

/** The ends of a workflow's executions on one UTC day. */
export interface DayCounts {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** From request to end, all together. */
  readonly durationMs: number;
  /** How many took how long: one number a bound of {@linkcode DURATION_BOUNDS_MS}, and one for what took longer. */
  readonly buckets: readonly number[];
}

/** What there is, by status. */
export interface StatusCounts {
  readonly pending: number;
  /** Those that are paused too. */
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** Counts. */
export interface Statistics {
  /** Executions that have not ended, at most `limit`, the newest or else the `oldest` first, and how many there are. */
  active(options: { limit: number; oldest?: boolean }): Promise<{ ids: string[]; total: number }>;
  /** How many executions are known, of those that ended while their history lives. */
  countByStatus(): Promise<StatusCounts>;
  /** A workflow's days, those named, in their order. */
  days(workflowId: string, days: readonly string[]): Promise<DayCounts[]>;
}

/** The index of the bucket of a duration. */
export function bucketOf(durationMs: number): number {
  const index = DURATION_BOUNDS_MS.findIndex((bound) => durationMs <= bound);
  return index === -1 ? DURATION_BOUNDS_MS.length : index;
}

const DAY_MS = 86_400_000;
/** The day that was named last: it is mostly the one that is asked for next. */
let [named, name] = [NaN, ""];

/** The UTC day of a time, as {@linkcode DayCounts} has it. */
export function dayOf(time: number): string {
  const day = Math.floor(time / DAY_MS);
  if (day !== named) [named, name] = [day, new Date(time).toISOString().slice(0, 10)];
  return name;
}

/** What is counted of an execution that ended. */
export interface Counted {
  readonly day: string;
  readonly status: ExecutionStatus;
  readonly durationMs: number;
  /** The index of its bucket. */
  readonly bucket: number;
}

/** What is counted of an execution, from the summary of its end. */
export function countsOf(
  { status, requestedAt, endedAt }: { status: ExecutionStatus; requestedAt: number; endedAt: number },
): Counted {
  const durationMs = Math.max(0, endedAt - requestedAt);
  return { day: dayOf(endedAt), status, durationMs, bucket: bucketOf(durationMs) };
}
