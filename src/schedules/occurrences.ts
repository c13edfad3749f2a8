/**
 * When a schedule runs: pure functions of its trigger and of the time.
 *
 * 1. Times only go forward: the next time after t is later than t.
 * 2. Each time is either run, or skipped with a reason, once.
 * 3. No plan takes long, however long nobody looked: what is skipped is passed over, not counted.
 */
import { LRUCache } from "lru-cache";
import { compileCron, type NextTime } from "../lib/cron.ts";
import { fnv1a } from "../lib/fnv1a.ts";
import type { Schedule } from "../workflow/definition.ts";
import type { ScheduleName, ScheduleNote } from "./schedule_store.ts";

/** Up to so late a run is only late, in milliseconds; past it it was missed, and `catchUp` says what becomes of it. */
export const MISSED_AFTER_MS = 30_000;
/** How many runs one plan has at most; the rest comes with the next. */
const MOST_RUNS = 100;

const compiled = new LRUCache<string, NextTime>({ max: 1000 });

/** The first time after `after`, in epoch milliseconds; `undefined` when none comes any more. */
export function nextTime(name: ScheduleName, trigger: Schedule, after: number): number | undefined {
  const { cron, everySeconds, timeZone } = trigger;
  if (cron === undefined) {
    // A phase of its own, so that not all that run every minute run at once.
    const everyMs = everySeconds! * 1000;
    const phase = fnv1a(keyOf(name)) % everyMs;
    return Math.floor((after - phase) / everyMs) * everyMs + everyMs + phase;
  }
  const key = `${timeZone} ${cron}`;
  let next = compiled.get(key);
  if (next === undefined) compiled.set(key, next = compileCron(cron, timeZone));
  return next(after);
}

/** When the run for a time is due: by the jitter that belongs to this very run, the same whoever asks. */
export function dueTime(name: ScheduleName, { jitterSeconds }: Schedule, time: number): number {
  if (jitterSeconds === 0) return time;
  return time + fnv1a(`${keyOf(name)} ${time}`) % (Math.floor(jitterSeconds * 1000) + 1);
}

/** The next time after `after`, and when it is due. */
export function nextDue(
  name: ScheduleName,
  trigger: Schedule,
  after: number,
): { next: number | undefined; dueAt: number | undefined } {
  const next = nextTime(name, trigger, after);
  return { next, dueAt: next === undefined ? undefined : dueTime(name, trigger, next) };
}

/** What is to be done for a schedule now. */
export interface Plan {
  /** Times to run, in order. */
  readonly runs: readonly number[];
  readonly skipped: readonly Pick<ScheduleNote, "time" | "until" | "reason">[];
  readonly next: number | undefined;
}

/** What becomes of the run for `time` and of all that have come since, at `now`. */
export function plan(name: ScheduleName, trigger: Schedule, { time, now }: { time: number; now: number }): Plan {
  const { catchUp, catchUpWindowSeconds } = trigger;
  const isDue = (t: number | undefined): t is number => t !== undefined && dueTime(name, trigger, t) <= now;
  const after = (t: number) => nextTime(name, trigger, t);
  const isMissed = (t: number) => now - dueTime(name, trigger, t) > MISSED_AFTER_MS;
  const jitterMs = trigger.jitterSeconds * 1000;
  const windowMs = catchUp === "none" ? 0 : catchUpWindowSeconds * 1000;
  // Whatever lies before this was missed and will not be made up for.
  const from = now - jitterMs - Math.max(windowMs, MISSED_AFTER_MS) - 1;
  const skipped: { time: number; until?: number; reason: string }[] = [];
  let first: number | undefined = time;
  if (time <= from) {
    first = after(from);
    skipped.push(range(time, lastBefore(after, time, first ?? now + 1)));
  }
  if (catchUp !== "all" && isDue(first) && isMissed(first)) {
    // The first that is only late, or else the last that is due.
    const onTime = after(Math.max(first, now - jitterMs - MISSED_AFTER_MS - 1));
    const chosen = isDue(onTime) ? onTime : catchUp === "none" ? onTime : lastBefore(after, first, onTime ?? now + 1);
    if (chosen !== first) skipped.push(range(first, lastBefore(after, first, chosen ?? now + 1)));
    first = chosen;
  }
  const runs: number[] = [];
  let next = first;
  while (isDue(next) && runs.length < MOST_RUNS) {
    runs.push(next);
    next = after(next);
  }
  return { runs, skipped, next };
}

/** What a pause left out: the times from `first` on that come before `now`, if any. */
export function pausedNotes(
  name: ScheduleName,
  trigger: Schedule,
  { first, now }: { first: number | undefined; now: number },
): ScheduleNote[] {
  if (first === undefined || first > now) return [];
  const until = lastBefore((t) => nextTime(name, trigger, t), first, now);
  return [{ at: now, outcome: "skipped", ...range(first, until), reason: "paused" }];
}

/** The times from `from` on and before `to`, in order, but no more than `most` of them. */
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

/** The last time before `end`, from `first` on, which is one: found by halving, as a pattern may be dense or sparse. */
function lastBefore(after: NextTime, first: number, end: number): number {
  let last = first;
  // None comes from `none` on and before `end`.
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

/** How a schedule is called in keys. */
export function keyOf({ workflowId, node }: ScheduleName): string {
  return `${workflowId}/${node}`;
}
