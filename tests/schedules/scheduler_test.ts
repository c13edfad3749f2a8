// not quick: schedulers end and others take over
/**
 * Schedulers on real stores: what they start, and what they leave out.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../src/lib/errors.ts";
import { overlay } from "../../src/lib/overlay.ts";
import { createSubmit, type Submission } from "../../src/execution/submit.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import type { ScheduleNote, ScheduleRun } from "../../src/schedules/schedule_store.ts";
import { Scheduler } from "../../src/schedules/scheduler.ts";
import { nextTime } from "../../src/schedules/occurrences.ts";
import type { Store } from "../../src/storage/store.ts";
import type { WorkflowStore } from "../../src/workflow/workflow_store.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import type { Schedule } from "../../src/workflow/definition.ts";
import { eventually } from "../support/eventually.ts";
import { drivers } from "../storage/drivers.ts";

const NAME = { workflowId: "tick", node: "clock" };
const END = { id: "end", type: "transform", parameters: { output: "{{ scheduledAt }}" } };

for (const driver of drivers()) {
  const test = suite(`Scheduler on ${driver.name}`);
  const open: AsyncDisposable[] = [];
  const schedulers: Scheduler[] = [];

  test.after.each(async () => {
    await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.stop()));
    for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
    await driver.clean();
  });

  /** Instances that schedule: on a driver that shares nothing, all on one store. */
  const site = async (
    count: number,
    submitting?: (submission: Submission) => void,
    hears: (workflows: WorkflowStore) => WorkflowStore = (workflows) => workflows,
  ) => {
    const heard: (ScheduleRun | ScheduleNote)[] = [];
    let store: Store | undefined;
    const instances = [];
    for (let i = 0; i < count; i++) {
      if (store === undefined || driver.isShared) {
        store = await driver.open(`s${i}`);
        open.push(store);
      }
      const catalog = new WorkflowCatalog({ store: hears(store.workflows), nodeTypes: createNodeTypes({ fetch }) });
      await catalog.start();
      const submit = createSubmit({ ...store, historyTtlSeconds: 60 });
      const scheduler = new Scheduler({
        store,
        workflows: catalog,
        submit: (submission) => {
          submitting?.(submission);
          return submit(submission);
        },
        idempotencyTtlSeconds: 60,
        onRun: (_name, what) => heard.push(what),
      });
      schedulers.push(scheduler);
      instances.push({ store, catalog, scheduler });
    }
    return {
      heard,
      first: instances[0]!,
      last: instances.at(-1)!,
      start: () => schedulers.forEach((it) => it.start()),
    };
  };

  const define = (parameters: object, more: object = {}) => ({
    name: "tick",
    nodes: [{ id: NAME.node, type: "schedule", parameters }, END],
    connections: [{ from: NAME.node, to: END.id }],
    ...more,
  });
  const free = { settings: { concurrency: 1000, onOverlap: "queue" } };
  /** What a schedule would run next, as if nobody had looked since. */
  const awayFor = async (ms: number, { store, catalog }: { store: Store; catalog: WorkflowCatalog }) => {
    const [trigger] = (await catalog.get(NAME.workflowId))!.schedules;
    const next = store.clock.now() - ms;
    await store.schedules.sync(NAME.workflowId, [{ trigger: trigger!, next, dueAt: next }]);
    return next;
  };
  /** A period, and how long ago six of its times began, with none of them so near a bound that a slow test moves it. */
  const awayForSix = (now: number): { everySeconds: number; awayMs: number } => {
    for (let everySeconds = 7200;; everySeconds += 60) {
      const periodMs = everySeconds * 1000;
      const sinceMs = now - (nextTime(NAME, { everySeconds } as Schedule, now - periodMs) ?? 0);
      if (sinceMs > 0.2 * periodMs && sinceMs < 0.4 * periodMs) return { everySeconds, awayMs: sinceMs + 5 * periodMs };
    }
  };
  const runsOf = (heard: readonly (ScheduleRun | ScheduleNote)[]) =>
    heard.flatMap((what) => "executionId" in what ? [what] : []);

  test("each time is started once by any number of schedulers, none early, with its input", async () => {
    const submitted: Submission[] = [];
    const { first, heard, start } = await site(3, (submission) => submitted.push(submission));
    await first.catalog.put(NAME.workflowId, define({ everySeconds: 1, catchUp: "all", input: { n: 5 } }, free));
    start();
    await eventually(() => Promise.resolve(runsOf(heard).length >= 3), "three runs");
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()));
    const runs = runsOf(heard).sort((a, b) => a.time - b.time);
    // Who takes a time over from one that is slow submits it too: that is the same run.
    const started = new Map(runs.map(({ time, executionId }) => [time, executionId]));
    assert.equal([...started.keys()], [...started].map((_, i) => runs[0]!.time + 1000 * i));
    assert.is(new Set(started.values()).size, started.size);
    for (const { time, executionId } of runs) assert.is(executionId, started.get(time));
    for (const { time, startedAt } of runs) assert.ok(startedAt >= time, `${startedAt} is before ${time}`);
    for (const { input } of submitted) assert.is((input as { n: number }).n, 5);
  });

  test("a run that was submitted by one who did not live to say so is not started again", async () => {
    const { first, heard, start } = await site(1);
    await first.catalog.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }, free));
    const time = await awayFor(10, first);
    const { due } = await first.store.schedules.claim({ count: 1, leaseMs: 50 });
    assert.is(due.length, 1);
    const submit = createSubmit({ ...first.store, historyTtlSeconds: 60 });
    const workflow = (await first.catalog.get(NAME.workflowId))!;
    const idempotency = { key: `§${NAME.node}:${time}`, fingerprint: "schedule", ttlSeconds: 60 };
    const { executionId } = await submit({ workflow, trigger: NAME.node, input: { scheduledAt: time }, idempotency });
    start();
    await eventually(() => Promise.resolve(runsOf(heard).length === 1), "the run");
    assert.is(runsOf(heard)[0]!.executionId, executionId);
  });

  test("what was missed is made up for as the trigger says", async () => {
    for (
      const [catchUp, windowHours, expected] of [["all", 30, 6], ["all", 2.5, 3], ["last", 30, 1], [
        "none",
        30,
        0,
      ]] as const
    ) {
      const { first, heard, start } = await site(1);
      const { everySeconds, awayMs } = awayForSix(first.store.clock.now());
      const catchUpWindowSeconds = windowHours * everySeconds;
      await first.catalog.put(NAME.workflowId, define({ everySeconds, catchUp, catchUpWindowSeconds }, free));
      const time = await awayFor(awayMs, first);
      start();
      await eventually(
        async () => (await first.store.schedules.list())[0]!.next! > first.store.clock.now(),
        "the next",
      );
      assert.is(runsOf(heard).length, expected, `${catchUp} within ${windowHours} times its period`);
      const [note] = (await first.store.schedules.notes(NAME, 10)).toReversed();
      if (expected === 6) assert.is(note!.reason, "caught_up");
      else assert.equal([note!.outcome, note!.time, note!.reason], ["skipped", time, "missed"]);
      await schedulers.pop()!.stop();
      await first.store.schedules.sync(NAME.workflowId, []);
    }
  });

  test("a run is skipped while another goes on, unless the settings say otherwise", async () => {
    const { first, heard, start } = await site(1);
    await first.catalog.put(NAME.workflowId, define({ everySeconds: 1 }));
    start();
    await eventually(
      () => Promise.resolve(heard.some((what) => "reason" in what && what.reason === "overlap")),
      "a skip",
    );
    assert.is(runsOf(heard).length, 1);
  });

  test("a run whose lock has no value is left out, with the reason, and the next one comes in its time", async () => {
    const { first, heard, start } = await site(1);
    await first.catalog.put(NAME.workflowId, define({ everySeconds: 1 }, { settings: { lock: "{{ none }}" } }));
    start();
    const left = () => heard.filter((what) => "reason" in what && what.reason === "invalid_lock");
    await eventually(() => Promise.resolve(left().length > 1), "two that are left out");
    assert.is(runsOf(heard).length, 0);
  });

  test("a changed definition takes over at once, and one that is inactive or gone runs no more", async () => {
    const { first, last, heard, start } = await site(2);
    await first.catalog.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }, free));
    start();
    const schedules = () => last.store.schedules.list();
    await eventually(async () => (await schedules()).length === 1, "the schedule");
    await first.catalog.put(NAME.workflowId, define({ everySeconds: 1 }, free));
    await eventually(() => Promise.resolve(runsOf(heard).length > 0), "a run");
    await first.catalog.put(NAME.workflowId, define({ everySeconds: 1 }, { ...free, active: false }));
    await eventually(async () => (await schedules()).length === 0, "it is inactive");
    await first.catalog.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }, free));
    await eventually(async () => (await schedules()).length === 1, "it is active again");
    await first.catalog.delete(NAME.workflowId);
    await eventually(async () => (await schedules()).length === 0, "it is gone");
  });

  test("a scheduler that has not heard of a change yet neither removes what is new nor passes over its run", async () => {
    const deaf = (workflows: WorkflowStore) => overlay(workflows, { onChange: () => {} });
    const { first, heard, start } = await site(1, undefined, deaf);
    await first.catalog.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }, { ...free, active: false }));
    // As an instance does that stores the change, and the schedule with it.
    const other = new WorkflowCatalog({ store: first.store.workflows, nodeTypes: createNodeTypes({ fetch }) });
    await other.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }, free));
    const time = await awayFor(10, { store: first.store, catalog: other });
    start();
    await eventually(() => Promise.resolve(runsOf(heard).length === 1), "the run");
    assert.is(runsOf(heard)[0]!.time, time);
    await eventually(async () => (await first.store.schedules.list())[0]?.next !== time, "the next time");
    assert.is((await first.store.schedules.list()).length, 1);
  });

  test("a definition that this release does not take keeps its schedule, and others do not wait for it", async () => {
    const { first, start } = await site(1);
    const { workflow } = await first.catalog.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }));
    const { definition, schedules: [trigger] } = workflow;
    const later = { ...definition, nodes: [{ id: NAME.node, type: "of a later release", parameters: {} }] };
    await first.store.workflows.put("later", later as never, { routes: [] });
    await first.store.schedules.sync("later", [{ trigger: trigger!, next: 8e15, dueAt: 8e15 }]);
    start();
    const names = async () => (await first.store.schedules.list()).map(({ workflowId }) => workflowId);
    await eventually(async () => (await names()).includes(NAME.workflowId), "the other one");
    assert.equal(await names(), ["later", NAME.workflowId]);
  });

  test("what the store does not take for now stays due, and is started when it does", async () => {
    let isFull = true;
    const { first, heard, start } = await site(1, () => {
      if (isFull) throw new MillraceError("queue_full", "No");
    });
    await first.catalog.put(NAME.workflowId, define({ cron: "0 0 1 1 *" }, free));
    const time = await awayFor(10, first);
    start();
    await eventually(
      async () => (await first.store.schedules.claim({ count: 1, leaseMs: 1 })).due.length === 0,
      "a try",
    );
    isFull = false;
    await eventually(() => Promise.resolve(runsOf(heard).length === 1), "the run");
    assert.is(runsOf(heard)[0]!.time, time);
  });

  test.run();
}
