/**
 * The times of a schedule, as pure functions of its trigger and the current time.
 *
 * 1. The next time after t is always later than t.
 * 2. Each time is either run, or skipped with a reason, exactly once.
 * 3. A plan costs the same however long no scheduler looked: it looks at times one by one within the jitter alone.
 * 4. Runs start in the order of their times. One that its jitter puts off holds up those after it, which are not missed
 *    before it is.
 */
import { LRUCache } from "lru-cache";
import { compileCron, type NextTime } from "../lib/cron.ts";
import { fnv1a } from "../lib/fnv1a.ts";
import type { Schedule } from "../workflow/definition.ts";
import type { ScheduleName, ScheduleNote } from "./schedule_store.ts";

/**
 * A run that is later than this, in milliseconds, counts as missed, and `catchUp` decides whether it still starts. It is
 * late by how long a scheduler that is always there would have started it before (invariant 4).
 */
export const MISSED_AFTER_MS = 30_000;
/** The most runs of one plan; the next plan has the rest. */
const MOST_RUNS = 100;

const compiled = new LRUCache<string, NextTime>({ max: 1000 });

/** The first time of the schedule after `after`, in epoch milliseconds; `undefined` when there is none. */
export function nextTime(name: ScheduleName, trigger: Schedule, after: number): number | undefined {
  const { cron, everySeconds, timeZone } = trigger;
  if (cron === undefined) {
    // Each schedule has its own phase, so that those with the same interval do not all run at the same moment.
    const everyMs = everySeconds! * 1000;
    const phase = fnv1a(keyOf(name)) % everyMs;
    return Math.floor((after - phase) / everyMs) * everyMs + everyMs + phase;
  }
  const key = `${timeZone} ${cron}`;
  let next = compiled.get(key);
  if (next === undefined) compiled.set(key, next = compileCron(cron, timeZone));
  return next(after);
}

/** When the run for `time` starts: its jitter is a hash of schedule and time, so every scheduler gets the same. */
export function dueTime(name: ScheduleName, { jitterSeconds }: Schedule, time: number): number {
  if (jitterSeconds === 0) return time;
  return time + fnv1a(`${keyOf(name)} ${time}`) % (Math.floor(jitterSeconds * 1000) + 1);
}

/** The next time after `after`, and when its run starts. */
export function nextDue(
  name: ScheduleName,
  trigger: Schedule,
  after: number,
): { next: number | undefined; dueAt: number | undefined } {
  const next = nextTime(name, trigger, after);
  return { next, dueAt: next === undefined ? undefined : dueTime(name, trigger, next) };
}

/** What to do for a schedule now. */
export interface Plan {
  /** Times whose runs start now, in order. */
  readonly runs: readonly number[];
  readonly skipped: readonly Pick<ScheduleNote, "time" | "until" | "reason">[];
  readonly next: number | undefined;
}

/** Decides about the run for `time` and all later ones up to `now`: start, or skip with a reason. */
export function plan(name: ScheduleName, trigger: Schedule, { time, now }: { time: number; now: number }): Plan {
  const { catchUp, catchUpWindowSeconds, jitterSeconds } = trigger;
  const after = (t: number) => nextTime(name, trigger, t);
  const skipped: Pick<ScheduleNote, "time" | "until" | "reason">[] = [];
  const skip = (from: number, to: number): number => {
    if (from >= to) return from;
    skipped.push(range(from, lastBefore(after, from, Math.min(to, now + 1))));
    return to;
  };
  // The first time that is no later than this: it, or one before it that holds it up (invariant 4), is due since then.
  const firstWithin = (lateMs: number): number => {
    let first = after(now - lateMs - Math.floor(jitterSeconds * 1000) - 1);
    while (first !== undefined && dueTime(name, trigger, first) < now - lateMs) first = after(first);
    return first ?? Infinity;
  };
  let first = time;
  if (now - dueTime(name, trigger, time) > MISSED_AFTER_MS) {
    const onTime = firstWithin(MISSED_AFTER_MS);
    const windowMs = Math.max(catchUpWindowSeconds * 1000, MISSED_AFTER_MS);
    first = skip(first, catchUp === "none" ? onTime : firstWithin(windowMs));
    if (catchUp === "last" && first < onTime) {
      const isDue = dueTime(name, trigger, onTime) <= now;
      first = skip(first, isDue ? onTime : lastBefore(after, first, Math.min(onTime, now + 1)));
    }
  }
  const runs: number[] = [];
  let next: number | undefined = first < Infinity ? first : undefined;
  while (next !== undefined && dueTime(name, trigger, next) <= now && runs.length < MOST_RUNS) {
    runs.push(next);
    next = after(next);
  }
  return { runs, skipped, next };
}

/** A note of the times that a pause skipped: those from `first` on and before `now`, if there are any. */
export function pausedNotes(
  name: ScheduleName,
  trigger: Schedule,
  { first, now }: { first: number | undefined; now: number },
): ScheduleNote[] {
  if (first === undefined || first > now) return [];
  const until = lastBefore((t) => nextTime(name, trigger, t), first, now);
  return [{ at: now, outcome: "skipped", ...range(first, until), reason: "paused" }];
}

/** The times from `from` (inclusive) to `to` (exclusive), in order, at most `most`. */
export function timesBetween(
  name: ScheduleName,
  trigger: Schedule,
  { from, to, most }: { from: number; to: number; most: number },
): number[] {
  const times: number[] = [];
  for (let time = nextTime(name, trigger, from - 1); time !== undefined && time < to && times.length < most;) {
    times.push(time);
    time = nextTime(name, trigger, time);
  }
  return times;
}

/** The last time before `end`, where `first` is one; by bisection, since a pattern may be dense or sparse. */
function lastBefore(after: NextTime, first: number, end: number): number {
  let last = first;
  // Invariant: there is no time from `none` (inclusive) to `end` (exclusive).
  for (let none = end; none - last > 1;) {
    const middle = Math.floor((last + none - 1) / 2);
    const found = after(middle);
    if (found !== undefined && found < end) last = found;
    else none = middle + 1;
  }
  return last;
}

function range(time: number, until: number): { time: number; until?: number; reason: string } {
  return { time, ...(until > time && { until }), reason: "missed" };
}

/** The name of a schedule in keys. */
export function keyOf({ workflowId, node }: ScheduleName): string {
  return `${workflowId}/${node}`;
}
