/**
 * The contract of executions that other programs run, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ExternalClaim, ExternalReport } from "../../src/execution/external_work.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import { pause } from "../../src/lib/delay.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, ending, openEach, placedRequestOf, requestOf, takeClaim, takenWithin } from "./drivers.ts";

const LEASE_MS = 60_000;
const started: LogEvent = { type: "execution.started", time: 1, data: { epoch: 1, worker: "them" } };
const progress: LogEvent = { type: "execution.progress", time: 2, data: { percent: 50 } };

for (const driver of drivers()) {
  const test = suite(`External work on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { maxDeliveries: 2 });

  const take = (leaseMs = LEASE_MS, workflowIds = ["orders"], count = 10) =>
    store.external.take({ workflowIds, count, leaseMs });
  const report = (claim: Pick<ExternalClaim, "executionId"> & { epoch?: number }, event: LogEvent, eventId?: string) =>
    store.external.report({
      executionId: claim.executionId,
      ...(claim.epoch !== undefined && { epoch: claim.epoch }),
      ...(eventId !== undefined && { eventId }),
      ...endOf(claim.executionId, event),
    });

  test("take() hands an execution out once under a lease, never to a worker, oldest first, with its input", async () => {
    const requests = [1, 2, 3].map((n) => requestOf({ external: "taken", input: { n } }));
    for (const request of requests) await store.log.request(request);
    const other = requestOf({ external: "taken", workflowId: "others", input: "x".repeat(100_000) });
    await store.log.request(other);
    const [first] = await take(LEASE_MS, ["orders"], 1);
    const rest = await take();
    const ids = [first!, ...rest].map(({ executionId }) => executionId);
    assert.equal(ids.sort(), requests.map(({ executionId }) => executionId).sort());
    assert.equal([first!, ...rest].map(({ input }) => (input as { n: number }).n).sort(), [1, 2, 3]);
    assert.ok(first!.leaseExpiresAt <= store.clock.now() + LEASE_MS + 100);
    assert.ok(first!.deadline > first!.leaseExpiresAt);
    assert.equal(await take(), []);
    assert.equal((await take(LEASE_MS, ["nothing", "others"]))[0]!.input, other.input);
    assert.equal(await takenWithin(store, 50), []);
  });

  test("report() appends in order, once a name, ends the execution and answers who waits", async () => {
    const request = requestOf({ external: "taken", replyTo: store.replies.instance });
    const waiter = store.replies.wait(request.executionId, { timeoutMs: 60_000 });
    await store.log.request(request);
    const [claim] = await take();
    assert.is(await report(claim!, progress), "order");
    assert.is(await report(claim!, started, "s"), "done");
    assert.is(await report(claim!, started, "s"), "duplicate");
    assert.is(await report(claim!, started, "t"), "order");
    assert.is(await report(claim!, progress, "p"), "done");
    assert.is(await report(claim!, completedBy(7), "c"), "done");
    assert.is(await report(claim!, completedBy(7), "c"), "duplicate");
    assert.is(await report(claim!, completedBy(8), "d"), "ended");
    const { result } = await waiter.reply;
    assert.equal(result, { executionId: request.executionId, status: "completed", output: 7 });
    assert.equal(await store.log.result(request.executionId), result);
    assert.equal((await store.log.read(request.executionId)).map(({ type }) => type), [
      "execution.requested",
      "execution.started",
      "execution.progress",
      "node.completed",
      "execution.completed",
    ]);
    assert.equal(await take(1), []);
  });

  test("a lapsed lease is handed out again, and what its first holder reports is stale", async () => {
    await store.log.request(requestOf({ external: "taken" }));
    const [first] = await take(30);
    assert.is(await report(first!, started), "done");
    const second = await eventually(async () => (await take())[0], "the second hand-out");
    assert.ok(second.epoch > first!.epoch);
    assert.is(await report(first!, progress), "stale");
    assert.is(await report({ executionId: first!.executionId }, progress), "stale");
    assert.is(await report(second, progress), "order");
    assert.is(await report(second, started), "done");
    assert.is(await report(second, completedBy(1)), "done");
  });

  test("take() gives what has lapsed before what nobody has had yet, older or not", async () => {
    // In one partition.
    const concurrency = { limit: 10, onOverlap: "queue" } as const;
    const [resumed, lapsed, late] = [1, 2, 3].map(() => placedRequestOf(store, { external: "taken", concurrency }));
    for (const request of [resumed!, lapsed!]) await store.log.request(request);
    await store.log.pause(resumed!.executionId);
    assert.equal((await take(1)).map(({ executionId }) => executionId), [lapsed!.executionId]);
    await store.log.resume(resumed!.executionId);
    await store.log.request(late!);
    // Its lease, of one millisecond, is over by any clock.
    await pause(50);
    const [first] = await take(LEASE_MS, ["orders"], 1);
    assert.is(first!.executionId, lapsed!.executionId);
    const rest = (await take()).map(({ executionId }) => executionId);
    assert.equal(rest.sort(), [resumed!.executionId, late!.executionId].sort());
  });

  test("take() of few passes over what is paused, what is over, and what it gives up", async () => {
    const concurrency = { limit: 10, onOverlap: "queue" } as const;
    const requests = Array.from({ length: 6 }, () => placedRequestOf(store, { external: "taken", concurrency }));
    const [worn, other, ...rest] = requests.map(({ executionId }) => executionId);
    for (const request of requests.slice(0, 2)) await store.log.request(request);
    await take(1);
    await pause(50);
    for (const request of requests.slice(2)) await store.log.request(request);
    const [next] = await take(LEASE_MS, ["orders"], 1);
    assert.ok(next!.executionId === worn || next!.executionId === other, "what has lapsed comes first");
    await pause(50);
    for (const id of rest.slice(0, 2)) await store.log.pause(id);
    await store.log.cancel(rest[2]!);
    // The other one that has lapsed is handed out a last time, and given up after that.
    assert.is((await take(1, ["orders"], 1)).length, 1);
    await pause(50);
    assert.equal((await take(LEASE_MS, ["orders"], 1)).map(({ executionId }) => executionId), rest.slice(3));
  });

  test("take() gives work of each workflow, however much of another waits", async () => {
    const many = 30;
    for (let n = 0; n < many; n++) await store.log.request(requestOf({ external: "taken" }));
    await store.log.request(requestOf({ external: "taken", workflowId: "others" }));
    const given = new Set<string>();
    // Each time with one chance in two.
    for (let n = 0; n < many; n++) given.add((await take(LEASE_MS, ["orders", "others"], 1))[0]!.workflowId);
    assert.equal([...given].sort(), ["orders", "others"]);
  });

  test("what is handed out too often without progress is a dead letter, and its caller hears so", async () => {
    const request = requestOf({ external: "taken", input: { n: 1 } });
    await store.log.request(request);
    let times = 0;
    await eventually(async () => {
      times += (await take(1)).length;
      return (await store.log.meta(request.executionId))!.status === "failed";
    }, "the end");
    assert.is(times, 2);
    const letter = await store.deadLetters.get(request.executionId);
    assert.equal([letter?.workflowId, letter?.input, letter?.error.code], ["orders", { n: 1 }, "dead_letter"]);
  });

  test("what is created to be reported is reported without a lease, and is nobody's to take", async () => {
    const request = requestOf({ external: "reported" });
    await store.log.request(request);
    assert.equal(await take(), []);
    const claim = { executionId: request.executionId };
    assert.is(await report({ ...claim, epoch: 9 }, started), "stale");
    assert.is(await report(claim, started), "done");
    assert.is(await report(claim, completedBy({ ok: true })), "done");
    assert.equal((await store.log.result(request.executionId))!.output, { ok: true });
  });

  test("report() refuses executions of workers, and unknown ones", async () => {
    const request = requestOf();
    assert.is(await report(request, started), "unknown");
    await store.log.request(request);
    assert.is(await report(request, started), "internal");
  });

  test("a paused execution is not handed out; its workflow's slots hold for it as for any other", async () => {
    const concurrency = { limit: 1, onOverlap: "queue" } as const;
    const [first, second] = [1, 2].map(() => placedRequestOf(store, { external: "taken", concurrency }));
    for (const request of [first!, second!]) await store.log.request(request);
    const id = first!.executionId;
    await store.log.pause(id);
    assert.equal(await take(), []);
    await store.log.resume(id);
    const [claim] = await take();
    assert.is(claim!.executionId, id);
    assert.equal(await take(), []);
    for (const event of [started, completedBy(1)]) assert.is(await report(claim!, event), "done");
    assert.is((await take())[0]!.executionId, second!.executionId);
  });

  test("a worker ends what its program does not, at its deadline", async () => {
    const id = await eventually(async () => {
      const request = requestOf({ external: "taken", timeoutMs: 3000 });
      await store.log.request(request);
      return (await take()).some(({ executionId }) => executionId === request.executionId) && request.executionId;
    }, "one that is taken before its deadline");
    const claim = await takeClaim(store, id);
    assert.is(claim.external, true);
    await store.work.finish(claim, ending(claim));
    assert.equal(await take(), []);
  });

  test("endLapsed() ends what is past its deadline, unless somebody has a live lease of it", async () => {
    const [lapsed, early] = [requestOf({ timeoutMs: 30 }), requestOf()];
    for (const request of [lapsed, early]) await store.log.request(request);
    assert.is(await store.external.endLapsed(early.executionId), "early");
    // No worker has come yet.
    await eventually(async () => await store.external.endLapsed(lapsed.executionId) === "ended", "the deadline");
    assert.is((await store.log.result(lapsed.executionId))!.error!.code, "execution_timeout");
    assert.is(await store.external.endLapsed(lapsed.executionId), "over");
    const held = requestOf({ timeoutMs: 30 });
    await store.log.request(held);
    const claim = await takeClaim(store, held.executionId);
    await eventually(async () => await store.external.endLapsed(held.executionId) === "leased", "its deadline");
    await store.work.finish(claim, ending(claim));
    assert.is(await store.external.endLapsed(requestOf().executionId), "over");
  });

  test.run();
}

/** What ends an execution well. */
function completedBy(output: object | number): LogEvent {
  return { type: "node.completed", time: 3, node: "external", data: { output: output as never } };
}

function endOf(executionId: string, event: LogEvent): Pick<ExternalReport, "events" | "result"> {
  if (event.type !== "node.completed") return { events: [event] };
  const end: LogEvent = { type: "execution.completed", time: 3, data: { lastNode: "external" } };
  return { events: [event, end], result: { executionId, status: "completed", output: event.data.output } };
}
