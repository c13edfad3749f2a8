/**
 * Schedules in memory: those of one process.
 */
import { processClock } from "../../lib/clock.ts";
import type {
  DueSchedules,
  ResumeOptions,
  ScheduleMove,
  ScheduleName,
  ScheduleNote,
  ScheduleStore,
  StoredSchedule,
  WantedSchedule,
} from "../../schedules/schedule_store.ts";

/** Notes that are kept of one schedule. */
const NOTES = 100;

interface Entry {
  schedule: StoredSchedule;
  dueAt: number;
  /** Newest first. */
  notes: ScheduleNote[];
}

/** {@linkcode ScheduleStore} in memory. */
export class MemorySchedules implements ScheduleStore {
  /** By "<workflow> <node>". */
  readonly #entries = new Map<string, Entry>();

  sync(workflowId: string, wanted: readonly WantedSchedule[]): Promise<void> {
    const left = new Set([...this.#entries.keys()].filter((key) => key.startsWith(`${workflowId} `)));
    for (const { trigger, next, dueAt = Infinity } of wanted) {
      const key = `${workflowId} ${trigger.nodeId}`;
      left.delete(key);
      const entry = this.#entries.get(key);
      if (entry !== undefined && same(entry.schedule.trigger, trigger)) continue;
      const before = entry?.schedule ?? { workflowId, node: trigger.nodeId, paused: false, last: [] };
      if (entry !== undefined && (entry.schedule.next ?? Infinity) <= processClock.now()) {
        entry.schedule = { ...entry.schedule, trigger };
        continue;
      }
      const { next: _, ...rest } = before as StoredSchedule;
      const schedule = { ...rest, trigger, ...(next !== undefined && { next }) };
      const notes = entry?.notes ?? [];
      this.#entries.set(key, { schedule, dueAt: schedule.paused ? Infinity : dueAt, notes });
    }
    for (const key of left) this.#entries.delete(key);
    return Promise.resolve();
  }

  claim({ count, leaseMs }: { count: number; leaseMs: number }): Promise<DueSchedules> {
    const now = processClock.now();
    const entries = [...this.#entries.values()].filter(({ dueAt }) => dueAt <= now).sort((a, b) => a.dueAt - b.dueAt);
    const due = entries.slice(0, count).map((entry) => {
      entry.dueAt = now + leaseMs;
      return entry.schedule as StoredSchedule & { next: number };
    });
    let nextDueAt = Infinity;
    for (const { dueAt } of this.#entries.values()) nextDueAt = Math.min(nextDueAt, dueAt);
    return Promise.resolve(nextDueAt === Infinity ? { due } : { due, nextDueAt });
  }

  move(moves: readonly ScheduleMove[]): Promise<void> {
    for (const { from, next, dueAt = Infinity, last, notes, ...name } of moves) {
      const entry = this.#find(name);
      if (entry === undefined || entry.schedule.next !== from.next) continue;
      const { paused } = entry.schedule;
      if (!same(entry.schedule.trigger, from.trigger)) {
        if (!paused) entry.dueAt = processClock.now();
        continue;
      }
      entry.schedule = withNext({ ...entry.schedule, last }, next);
      entry.dueAt = paused ? Infinity : dueAt;
      this.#note(entry, notes);
    }
    return Promise.resolve();
  }

  list(workflowId?: string): Promise<StoredSchedule[]> {
    const all = [...this.#entries].sort(([a], [b]) => a < b ? -1 : 1).map(([, { schedule }]) => schedule);
    return Promise.resolve(workflowId === undefined ? all : all.filter((it) => it.workflowId === workflowId));
  }

  notes(name: ScheduleName, limit: number): Promise<ScheduleNote[]> {
    return Promise.resolve(this.#find(name)?.notes.slice(0, limit) ?? []);
  }

  pause(name: ScheduleName): Promise<boolean> {
    const entry = this.#find(name);
    if (entry === undefined) return Promise.resolve(false);
    entry.schedule = { ...entry.schedule, paused: true };
    entry.dueAt = Infinity;
    return Promise.resolve(true);
  }

  resume(name: ScheduleName, { next, dueAt = Infinity, notes }: ResumeOptions): Promise<boolean> {
    const entry = this.#find(name);
    if (entry === undefined) return Promise.resolve(false);
    if (entry.schedule.paused) {
      entry.schedule = withNext({ ...entry.schedule, paused: false }, next);
      entry.dueAt = dueAt;
      this.#note(entry, notes);
    }
    return Promise.resolve(true);
  }

  #find({ workflowId, node }: ScheduleName): Entry | undefined {
    return this.#entries.get(`${workflowId} ${node}`);
  }

  #note(entry: Entry, notes: readonly ScheduleNote[]): void {
    entry.notes = [...notes.toReversed(), ...entry.notes].slice(0, NOTES);
  }
}

function withNext({ next: _, ...rest }: StoredSchedule, next: number | undefined): StoredSchedule {
  return next === undefined ? rest : { ...rest, next };
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
