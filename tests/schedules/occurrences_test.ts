import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  dueTime,
  MISSED_AFTER_MS,
  nextTime,
  pausedNotes,
  plan,
  timesBetween,
} from "../../src/schedules/occurrences.ts";
import type { Schedule } from "../../src/workflow/definition.ts";

const NAME = { workflowId: "report", node: "nightly" };
const NOW = Date.UTC(2026, 5, 1, 12, 0, 7);

function scheduleOf(members: Partial<Schedule> = {}): Schedule {
  return {
    nodeId: NAME.node,
    timeZone: "UTC",
    catchUp: "last",
    catchUpWindowSeconds: 3600,
    jitterSeconds: 0,
    input: {},
    ...members,
  };
}

const when = fc.oneof(
  fc.integer({ min: 1, max: 4000 }).map((everySeconds) => ({ everySeconds })),
  fc.constantFrom("* * * * *", "*/7 * * * *", "*/20 * * * * *", "30 1 * * *", "0 9 * 6 *", "15 2 * 5 *")
    .map((cron) => ({ cron })),
);
const schedules = fc.record({
  when,
  catchUp: fc.constantFrom("none", "last", "all" as const),
  catchUpWindowSeconds: fc.integer({ min: 0, max: 20_000 }),
  jitterSeconds: fc.constantFrom(0, 0, 0.5, 30, 600, 1800),
  timeZone: fc.constantFrom("UTC", "Australia/Lord_Howe", "America/New_York"),
}).map(({ when, ...rest }) => scheduleOf({ ...rest, ...when } as Partial<Schedule>));

/** What the words of the README say, the slow way: each time looked at by itself. */
function model(schedule: Schedule, { time, now }: { time: number; now: number }) {
  const jitterMs = schedule.jitterSeconds * 1000;
  const known = timesBetween(NAME, schedule, { from: time - jitterMs, to: now + 1, most: 50_000 });
  // In the order of their times: none is late before all that come before it are.
  let dueAt = -Infinity;
  const runs = known.map((one) => {
    dueAt = Math.max(dueAt, dueTime(NAME, schedule, one));
    return { one, lateMs: now - dueAt, isDue: dueTime(NAME, schedule, one) <= now };
  }).filter(({ one }) => one >= time);
  const early = runs.findIndex(({ isDue }) => !isDue);
  const due = early < 0 ? runs : runs.slice(0, early);
  const onTime = due.filter(({ lateMs }) => lateMs <= MISSED_AFTER_MS);
  const made = due.filter(({ lateMs }) => lateMs <= Math.max(MISSED_AFTER_MS, schedule.catchUpWindowSeconds * 1000));
  const started = { none: onTime, all: made, last: onTime.length > 0 ? onTime : made.slice(-1) }[schedule.catchUp];
  return { times: runs.map(({ one }) => one), started: started.map(({ one }) => one) };
}

test("plan() runs what the model runs, and skips each of the others once", () => {
  fc.assert(
    fc.property(schedules, fc.integer({ min: 0, max: 30_000_000 }), (schedule, sinceMs) => {
      const time = nextTime(NAME, schedule, NOW - sinceMs);
      if (time === undefined || time > NOW) return;
      const { times, started } = model(schedule, { time, now: NOW });
      const { runs, skipped, next } = plan(NAME, schedule, { time, now: NOW });
      assert.equal(runs, started.slice(0, 100));
      const left = times.filter((one) => !runs.includes(one) && (next === undefined || one < next));
      const covered = skipped.flatMap(({ time, until = time }) => left.filter((one) => one >= time && one <= until));
      assert.equal(covered, left);
      assert.ok(skipped.every(({ time, until = time }) => times.includes(time) && times.includes(until)));
    }),
    { numRuns: 150 },
  );
});

test("plan() skips nothing while a scheduler is there, though jitter holds up more runs than one plan has", () => {
  for (const catchUp of ["none", "last", "all"] as const) {
    const schedule = scheduleOf({ everySeconds: 1, catchUp, catchUpWindowSeconds: 0, jitterSeconds: 86_400 });
    let [time, now, most] = [nextTime(NAME, schedule, NOW)!, NOW, 0];
    for (let plans = 0; plans < 300; plans++) {
      now = Math.max(now, dueTime(NAME, schedule, time));
      const { runs, skipped, next } = plan(NAME, schedule, { time, now });
      assert.equal(skipped, []);
      assert.is(runs[0], time);
      most = Math.max(most, runs.length);
      time = next!;
    }
    assert.is(most, 100);
  }
});

test("plan() with jitter runs nothing early and comes to an end, each time in order", () => {
  fc.assert(
    fc.property(schedules, fc.integer({ min: 0, max: 10_000_000 }), (schedule, sinceMs) => {
      let time = nextTime(NAME, schedule, NOW - sinceMs);
      const ran: number[] = [];
      for (let rounds = 0; time !== undefined && dueTime(NAME, schedule, time) <= NOW; rounds++) {
        assert.ok(rounds < 300, "it goes on");
        const { runs, next } = plan(NAME, schedule, { time, now: NOW });
        for (const run of runs) assert.ok(dueTime(NAME, schedule, run) <= NOW && run > (ran.at(-1) ?? -1));
        ran.push(...runs);
        assert.ok(next === undefined || next > time);
        time = next;
      }
    }),
    { numRuns: 40 },
  );
});

test("plan() takes no longer after ten years", () => {
  for (const catchUp of ["none", "last", "all"] as const) {
    for (const when of [{ everySeconds: 1 }, { cron: "* * * 1 *" }]) {
      const schedule = scheduleOf({ ...when, catchUp, catchUpWindowSeconds: 2_000_000 });
      const time = nextTime(NAME, schedule, NOW - 3.2e11)!;
      const { runs, next } = plan(NAME, schedule, { time, now: NOW });
      assert.ok(runs.length <= 100);
      assert.ok(next! > time);
    }
  }
});

test("dueTime() puts a run off by its own part of the jitter, the same each time", () => {
  const schedule = scheduleOf({ everySeconds: 60, jitterSeconds: 10 });
  const offs = Array.from({ length: 200 }, (_, i) => dueTime(NAME, schedule, i * 60_000) - i * 60_000);
  assert.ok(offs.every((off) => off >= 0 && off <= 10_000));
  assert.ok(new Set(offs).size > 150);
  assert.is(dueTime(NAME, schedule, 60_000), dueTime({ ...NAME }, { ...schedule }, 60_000));
});

test("nextTime() gives what runs every so many seconds a phase of its own", () => {
  const phases = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const time = nextTime({ ...NAME, node: `n${i}` }, scheduleOf({ everySeconds: 60 }), NOW)!;
    assert.ok(time > NOW && time <= NOW + 60_000);
    phases.add(time % 60_000);
  }
  assert.ok(phases.size > 80);
});

test("pausedNotes() tells what a pause left out, to the last of it", () => {
  const schedule = scheduleOf({ cron: "*/10 * * * *" });
  const first = Date.UTC(2026, 5, 1, 10);
  const [note] = pausedNotes(NAME, schedule, { first, now: NOW });
  assert.equal(note, { at: NOW, outcome: "skipped", time: first, until: Date.UTC(2026, 5, 1, 12), reason: "paused" });
  assert.equal(pausedNotes(NAME, schedule, { first: NOW + 1, now: NOW }), []);
});

test.run();
