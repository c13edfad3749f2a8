/**
 * What the memory driver counts of executions that ended, by workflow and day.
 */
import { isEnded } from "../../execution/event.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import {
  type Counted,
  countsOf,
  type DayCounts,
  dayOf,
  DURATION_BOUNDS_MS,
  KEPT_DAYS,
  type Statistics,
  type StatusCounts,
} from "../../feed/statistics.ts";
import type { MemoryState } from "./state.ts";

type Ended = "completed" | "failed" | "cancelled";
type Day = { -readonly [Name in keyof Omit<DayCounts, "day" | "buckets">]: number } & { buckets: number[] };

const DAY_MS = 86_400_000;

/** {@linkcode Statistics} in memory. */
export class Counters implements Statistics {
  readonly #state: MemoryState;
  /** By `<day> <workflow>`: all that was counted, and the part of it whose executions are forgotten. */
  #all = new Map<string, Day>();
  readonly #past = new Map<string, Day>();
  /** What was counted, by execution, while that is known. */
  readonly #counted = new Map<string, { key: string; counted: Counted }>();

  constructor(state: MemoryState) {
    this.#state = state;
  }

  /** Counts an execution once. */
  count({ executionId, workflowId }: FeedEntry, ended: NonNullable<FeedEntry["ended"]>): void {
    if (this.#counted.has(executionId)) return;
    const counted = countsOf(ended);
    const key = `${counted.day} ${workflowId}`;
    this.#counted.set(executionId, { key, counted });
    add(this.#all, key, counted);
  }

  /** Drops what can be counted again. */
  reset(): void {
    this.#counted.clear();
    this.#all = structuredClone(this.#past);
  }

  /** Takes in which executions are forgotten, and drops days that are too old. */
  sweep(now: number): void {
    for (const [id, { key, counted }] of this.#counted) {
      if (this.#state.executions.has(id)) continue;
      this.#counted.delete(id);
      add(this.#past, key, counted);
    }
    const oldest = dayOf(now - KEPT_DAYS * DAY_MS);
    for (const days of [this.#all, this.#past]) {
      for (const key of days.keys()) if (key < oldest) days.delete(key);
    }
  }

  active({ limit, oldest = false }: { limit: number; oldest?: boolean }): Promise<{ ids: string[]; total: number }> {
    const ids = [...this.#state.executions.values()].filter(({ status }) => !isEnded(status))
      .map(({ request }) => request.executionId).sort();
    if (!oldest) ids.reverse();
    return Promise.resolve({ ids: ids.slice(0, limit), total: ids.length });
  }

  countByStatus(): Promise<StatusCounts> {
    const counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { status } of this.#state.executions.values()) counts[status === "paused" ? "running" : status]++;
    return Promise.resolve(counts);
  }

  days(workflowId: string, days: readonly string[]): Promise<DayCounts[]> {
    return Promise.resolve(
      days.map((day) => ({ day, ...structuredClone(this.#all.get(`${day} ${workflowId}`) ?? emptyDay()) })),
    );
  }
}

function add(days: Map<string, Day>, key: string, { status, durationMs, bucket }: Counted): void {
  const day = days.get(key) ?? emptyDay();
  days.set(key, day);
  day[status as Ended]++;
  day.durationMs += durationMs;
  day.buckets[bucket]!++;
}

function emptyDay(): Day {
  const buckets = Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0);
  return { completed: 0, failed: 0, cancelled: 0, durationMs: 0, buckets };
}
