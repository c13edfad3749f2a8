/**
 * The contract of schedules, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ScheduleMove, StoredSchedule, WantedSchedule } from "../../src/schedules/schedule_store.ts";
import type { Store } from "../../src/storage/store.ts";
import type { Schedule } from "../../src/workflow/definition.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openPairs } from "./drivers.ts";

const NAME = { workflowId: "report-1.x", node: "nightly" };
const CLAIM = { count: 10, leaseMs: 60_000 };

for (const driver of drivers()) {
  const test = suite(`Schedules on ${driver.name}`);
  let store: Store;
  let other: Store;

  openPairs(test, driver, (one, two) => [store, other] = [one, two]);

  const trigger = (members: Partial<Schedule> = {}): Schedule => ({
    nodeId: NAME.node,
    everySeconds: 60,
    timeZone: "UTC",
    catchUp: "last",
    catchUpWindowSeconds: 3600,
    jitterSeconds: 0,
    input: JSON.parse('{"__proto__":1,"text":"a b\\n\\ud800"}'),
    ...members,
  });
  const wanted = (inMs: number, members: Partial<Schedule> = {}, now = store.clock.now()): WantedSchedule => {
    const next = now + inMs;
    return { trigger: trigger(members), next, dueAt: next };
  };
  const only = async (from = store): Promise<StoredSchedule> => {
    const all = await from.schedules.list();
    assert.is(all.length, 1);
    return all[0]!;
  };
  const moveOf = (schedule: StoredSchedule, inMs: number): ScheduleMove => {
    const next = store.clock.now() + inMs;
    const from = { next: schedule.next!, trigger: schedule.trigger };
    return { ...NAME, from, next, dueAt: next, last: [], notes: [] };
  };

  test("what is wanted is there, as it was given, until it is wanted no more", async () => {
    const one = wanted(60_000);
    await store.schedules.sync(NAME.workflowId, [one, wanted(1000, { nodeId: "also" })]);
    const [also, nightly] = await other.schedules.list(NAME.workflowId);
    assert.equal(nightly, { ...NAME, trigger: one.trigger, next: one.next, paused: false, last: [] });
    assert.is(also!.node, "also");
    await other.schedules.sync(NAME.workflowId, [one]);
    assert.equal(await only(), nightly);
    await other.schedules.sync(NAME.workflowId, []);
    assert.equal(await store.schedules.list(), []);
    assert.equal(await store.schedules.claim(CLAIM), { due: [] });
  });

  test("one that did not change keeps its next run, and a changed one gets the wanted", async () => {
    const first = wanted(60_000);
    await store.schedules.sync(NAME.workflowId, [first]);
    await other.schedules.sync(NAME.workflowId, [wanted(30_000)]);
    assert.is((await only()).next, first.next);
    const changed = wanted(30_000, { everySeconds: 30 });
    await other.schedules.sync(NAME.workflowId, [changed]);
    assert.is((await only()).next, changed.next);
    const { nextDueAt } = await store.schedules.claim(CLAIM);
    assert.is(nextDueAt, changed.dueAt);
  });

  test("a run that is due already is not lost to a change", async () => {
    const due = wanted(-5);
    await store.schedules.sync(NAME.workflowId, [due]);
    await store.schedules.sync(NAME.workflowId, [wanted(30_000, { everySeconds: 30 })]);
    const { due: [claimed] } = await store.schedules.claim(CLAIM);
    assert.is(claimed!.next, due.next);
    assert.is(claimed!.trigger.everySeconds, 30);
  });

  test("what is due is claimed once, and again when its claim lapses", async () => {
    await store.schedules.sync(NAME.workflowId, [wanted(-5), wanted(600_000, { nodeId: "later" })]);
    const claims = await Promise.all([store, other, store].map((one) => one.schedules.claim(CLAIM)));
    const claimed = claims.flatMap(({ due }) => due);
    assert.equal(claimed.map(({ node }) => node), [NAME.node]);
    await store.schedules.sync("lapsing", [wanted(-5)]);
    assert.is((await store.schedules.claim({ ...CLAIM, leaseMs: 50 })).due.length, 1);
    await eventually(async () => (await other.schedules.claim(CLAIM)).due.length === 1, "the claim lapses");
    assert.equal((await store.schedules.claim(CLAIM)).due, []);
  });

  test("no more is claimed than was asked for, the longest due first", async () => {
    const now = store.clock.now();
    const all = [-30, -50, -40].map((inMs, i) => wanted(inMs, { nodeId: `n${i}` }, now));
    await store.schedules.sync(NAME.workflowId, all);
    const { due, nextDueAt } = await store.schedules.claim({ ...CLAIM, count: 2 });
    assert.equal(due.map(({ node }) => node), ["n1", "n2"]);
    assert.is(nextDueAt, all[0]!.dueAt);
  });

  test("a move goes on once, with what was noted, newest first", async () => {
    await store.schedules.sync(NAME.workflowId, [wanted(-5)]);
    const { due: [claimed] } = await store.schedules.claim(CLAIM);
    const run = { time: claimed!.next, executionId: "x", startedAt: 7 };
    const notes = [1, 2].map((time) => ({ at: 9, outcome: "skipped" as const, time, reason: "overlap" }));
    const move = { ...moveOf(claimed!, 50_000), last: [run], notes };
    await store.schedules.move([move]);
    await other.schedules.move([move]);
    assert.equal(await only(other), { ...NAME, trigger: trigger(), next: move.next!, paused: false, last: [run] });
    assert.equal(await other.schedules.notes(NAME, 5), notes.toReversed());
    assert.equal((await store.schedules.notes(NAME, 1)).map(({ time }) => time), [2]);
    assert.is((await store.schedules.claim(CLAIM)).nextDueAt, move.dueAt);
  });

  test("a move after a change does nothing but make the run due again, with the changed trigger", async () => {
    await store.schedules.sync(NAME.workflowId, [wanted(-5)]);
    const { due: [claimed] } = await store.schedules.claim(CLAIM);
    await other.schedules.sync(NAME.workflowId, [wanted(40_000, { everySeconds: 7 })]);
    await store.schedules.move([moveOf(claimed!, 50_000)]);
    const { due: [again] } = await store.schedules.claim(CLAIM);
    assert.is(again!.next, claimed!.next);
    assert.is(again!.trigger.everySeconds, 7);
  });

  test("one that never comes again stays, and is not due", async () => {
    await store.schedules.sync(NAME.workflowId, [wanted(-5)]);
    const { due: [claimed] } = await store.schedules.claim(CLAIM);
    await store.schedules.move([{ ...moveOf(claimed!, 0), next: undefined, dueAt: undefined }]);
    assert.is((await only()).next, undefined);
    assert.equal(await store.schedules.claim(CLAIM), { due: [] });
    const late = wanted(20_000, { everySeconds: 5 });
    await store.schedules.sync(NAME.workflowId, [late]);
    assert.is((await store.schedules.claim(CLAIM)).nextDueAt, late.dueAt);
  });

  test("a paused one is not due, whatever comes, until it is resumed", async () => {
    await store.schedules.sync(NAME.workflowId, [wanted(-5)]);
    const { due: [claimed] } = await store.schedules.claim(CLAIM);
    assert.is(await other.schedules.pause(NAME), true);
    assert.is(await other.schedules.pause(NAME), true);
    await store.schedules.move([moveOf(claimed!, -1)]);
    await store.schedules.sync(NAME.workflowId, [wanted(-1, { everySeconds: 3 })]);
    assert.equal(await store.schedules.claim(CLAIM), { due: [] });
    assert.is((await only(other)).paused, true);
    const note = { at: 1, outcome: "skipped" as const, time: 1, reason: "paused" };
    const next = store.clock.now() + 600_000;
    const resumed = { next, dueAt: next + 7, notes: [note] };
    assert.is(await other.schedules.resume(NAME, resumed), true);
    assert.is(await other.schedules.resume(NAME, { ...resumed, next: 5, dueAt: 5 }), true);
    assert.equal(await store.schedules.claim(CLAIM), { due: [], nextDueAt: next + 7 });
    assert.is((await only()).next, next);
    assert.equal(await store.schedules.notes(NAME, 5), [note]);
  });

  test("of one that is not there, pause and resume say so", async () => {
    assert.is(await store.schedules.pause(NAME), false);
    assert.is(await store.schedules.resume(NAME, { next: 1, dueAt: 1, notes: [] }), false);
    await store.schedules.move([{ ...moveOf({ ...NAME, trigger: trigger(), next: 1, paused: false, last: [] }, 1) }]);
    assert.equal(await store.schedules.list(), []);
    assert.equal(await store.schedules.notes(NAME, 5), []);
  });

  test.run();
}
