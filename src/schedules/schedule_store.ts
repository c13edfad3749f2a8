/**
 * The port of schedules: which there are, what is due, and who sees to it.
 */
import type { Schedule } from "../workflow/definition.ts";

/** Names one schedule. */
export interface ScheduleName {
  readonly workflowId: string;
  /** Id of the trigger node. */
  readonly node: string;
}

/** A run that was started. */
export interface ScheduleRun {
  /** The time for which it ran, in epoch milliseconds. */
  readonly time: number;
  readonly executionId: string;
  readonly startedAt: number;
}

/** What did not go by the clock. */
export interface ScheduleNote {
  /** When it was noted, in epoch milliseconds. */
  readonly at: number;
  readonly outcome: "skipped" | "late";
  /** The time of the run; of several that were skipped alike, the first. */
  readonly time: number;
  /** Of several, the last. */
  readonly until?: number;
  /** `missed`, `overlap`, `paused`, `gone` or the code of an error. */
  readonly reason: string;
  /** Milliseconds, of a late one. */
  readonly lateMs?: number;
}

/** A schedule as the store has it. */
export interface StoredSchedule extends ScheduleName {
  readonly trigger: Schedule;
  /** The time of the next run, in epoch milliseconds; absent when none comes any more. */
  readonly next?: number;
  readonly paused: boolean;
  /** The last runs, newest first, at most five. */
  readonly last: readonly ScheduleRun[];
}

/** A schedule that is wanted, and when it would run first. */
export interface WantedSchedule {
  readonly trigger: Schedule;
  readonly next: number | undefined;
  /** `next` and its jitter, in epoch milliseconds. */
  readonly dueAt: number | undefined;
}

/** How a schedule goes on after a claim. */
export interface ScheduleMove extends ScheduleName {
  /** What was claimed: when it has changed since, nothing is done but to make it due at once. */
  readonly from: { readonly next: number; readonly trigger: Schedule };
  readonly next: number | undefined;
  readonly dueAt: number | undefined;
  readonly last: readonly ScheduleRun[];
  readonly notes: readonly ScheduleNote[];
}

/** What a claim comes to. */
export interface DueSchedules {
  /** Claimed for as long as was asked: until then nobody else is given them. */
  readonly due: readonly (StoredSchedule & { readonly next: number })[];
  /** When the next one is due, in epoch milliseconds; absent when there is none. */
  readonly nextDueAt?: number;
}

/** What {@linkcode ScheduleStore.resume} takes: the next run, and what the pause skipped. */
export type ResumeOptions = Pick<ScheduleMove, "next" | "dueAt" | "notes">;

/** Keeps schedules, for any number of schedulers. */
export interface ScheduleStore {
  /**
   * Makes a workflow's schedules those that are wanted. One that is there keeps its next run while nothing about it
   * changed, and also where that run is due already; a new or a changed one gets the wanted. A second time changes nothing.
   */
  sync(workflowId: string, wanted: readonly WantedSchedule[]): Promise<void>;
  /** Claims at most `count` that are due, by the store's clock, for `leaseMs`. */
  claim(options: { count: number; leaseMs: number }): Promise<DueSchedules>;
  /** Moves claimed schedules on, all in one step. A second time changes nothing. */
  move(moves: readonly ScheduleMove[]): Promise<void>;
  /** All, or a workflow's, in the order of their names. */
  list(workflowId?: string): Promise<StoredSchedule[]>;
  /** The last things noted of a schedule, newest first. */
  notes(name: ScheduleName, limit: number): Promise<ScheduleNote[]>;
  /** False if there is none. What was due and not begun yet is left out. */
  pause(name: ScheduleName): Promise<boolean>;
  /** Goes on with this run; false if there is none. One that is not paused stays as it is. */
  resume(name: ScheduleName, options: ResumeOptions): Promise<boolean>;
}
