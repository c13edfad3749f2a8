/**
 * The port of schedules: their definitions, when each is due, and claims of those that are.
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

/** A run that was skipped or started late. */
export interface ScheduleNote {
  /** When it was noted, in epoch milliseconds. */
  readonly at: number;
  readonly outcome: "skipped" | "late";
  /** The time of the run, in epoch milliseconds; the first one when several were skipped for one reason. */
  readonly time: number;
  /** The last one when several were skipped, in epoch milliseconds. */
  readonly until?: number;
  /** `missed`, `overlap`, `paused`, `gone` or the code of an error. */
  readonly reason: string;
  /** By how much a late run was late, in milliseconds. */
  readonly lateMs?: number;
}

/** A schedule as it is stored. */
export interface StoredSchedule extends ScheduleName {
  readonly trigger: Schedule;
  /** The time of the next run, in epoch milliseconds; absent when there is none. */
  readonly next?: number;
  readonly paused: boolean;
  /** The last runs, newest first, at most five. */
  readonly last: readonly ScheduleRun[];
}

/** A schedule of a definition, and its first run if it is new. */
export interface WantedSchedule {
  readonly trigger: Schedule;
  readonly next: number | undefined;
  /** When that run starts, its jitter included, in epoch milliseconds. */
  readonly dueAt: number | undefined;
}

/** The next state of a claimed schedule. */
export interface ScheduleMove extends ScheduleName {
  /** The claimed state. If the schedule has changed since, the move is dropped and the schedule becomes due at once. */
  readonly from: { readonly next: number; readonly trigger: Schedule };
  readonly next: number | undefined;
  readonly dueAt: number | undefined;
  readonly last: readonly ScheduleRun[];
  readonly notes: readonly ScheduleNote[];
}

/** The answer to a claim. */
export interface DueSchedules {
  /** The claimed schedules; no other scheduler gets them before the lease ends. */
  readonly due: readonly (StoredSchedule & { readonly next: number })[];
  /** When the next one is due, in epoch milliseconds; absent when there is none. */
  readonly nextDueAt?: number;
}

/** Options of {@linkcode ScheduleStore.resume}: the next run, and notes of the runs that the pause skipped. */
export type ResumeOptions = Pick<ScheduleMove, "next" | "dueAt" | "notes">;

/** Stores schedules for any number of schedulers. */
export interface ScheduleStore {
  /**
   * Makes a workflow's schedules those of its definition. An existing schedule keeps its next run if its trigger is
   * unchanged, or if that run is already due; a new or changed one gets the given first run. Idempotent.
   */
  sync(workflowId: string, wanted: readonly WantedSchedule[]): Promise<void>;
  /** Claims at most `count` schedules that are due by the store's clock, for `leaseMs` milliseconds. */
  claim(options: { count: number; leaseMs: number }): Promise<DueSchedules>;
  /** Stores the next state of claimed schedules, all in one step. Idempotent. */
  move(moves: readonly ScheduleMove[]): Promise<void>;
  /** All schedules, or those of one workflow, ordered by name. */
  list(workflowId?: string): Promise<StoredSchedule[]>;
  /** The newest notes of a schedule, newest first. */
  notes(name: ScheduleName, limit: number): Promise<ScheduleNote[]>;
  /** Pauses a schedule; false if it does not exist. A run that is due and has not started is skipped. */
  pause(name: ScheduleName): Promise<boolean>;
  /** Resumes with the given run; false if it does not exist. Does nothing to a schedule that is not paused. */
  resume(name: ScheduleName, options: ResumeOptions): Promise<boolean>;
}
