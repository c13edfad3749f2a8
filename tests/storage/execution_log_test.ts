/**
 * The contract of the log and the work queue, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FencedError } from "../../src/lib/errors.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { awaitReply, completed, drivers, ending, requestOf, takeClaim } from "./drivers.ts";
import { endsOnce, rejects } from "./expectations.ts";

for (const driver of drivers()) {
  const test = suite(`ExecutionLog on ${driver.name}`);
  const live = new AbortController();
  const signal = live.signal;
  let store: Store;

  test.before(async () => {
    store = await driver.open("a", { maxWaiters: 3 });
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("request() makes the execution readable and hands it to a worker once", async () => {
    const request = requestOf({ input: { body: "é☃", deep: [1, { a: null }] } });
    const accepted = { executionId: request.executionId, isNew: true };
    assert.equal(await store.log.request(request), accepted);
    assert.equal(await store.log.request(request), accepted);
    const [event, ...more] = await store.log.read(request.executionId);
    assert.equal(more, []);
    assert.equal(event!.type, "execution.requested");
    assert.equal(event!.data, { workflowId: "orders", version: 1, trigger: "hook", input: request.input });
    const claim = await takeClaim(store, request.executionId);
    assert.equal(claim.input, request.input);
    assert.equal([claim.epoch, claim.sequence, claim.trigger, claim.version], [1, 1, "hook", 1]);
    assert.is(claim.paused, false);
    const again = await store.work.take({ count: 10, blockMs: 100, signal });
    assert.equal(again, []);
    await store.work.finish(claim, ending(claim));
  });

  test("request() keeps an own __proto__ as data", async () => {
    const input = JSON.parse('{"__proto__":{"polluted":true},"a":1}');
    const request = requestOf({ input });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    assert.is(JSON.stringify(claim.input), JSON.stringify(input));
    assert.is(({} as { polluted?: boolean }).polluted, undefined);
    await store.work.finish(claim, ending(claim));
  });

  test("request() lets a large input be read from the log", async () => {
    const request = requestOf({ input: "x".repeat(100_000) });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const [event] = await store.log.read(request.executionId);
    assert.is((event as StoredEvent & { data: { input: string } }).data.input.length, 100_000);
    await store.work.finish(claim, ending(claim));
  });

  test("append() refuses a sequence that is not the log's, and takes the same append twice as one", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.append(claim, { sequence: 1, events: [completed("a", 1), completed("b", 2)] });
    await store.work.append(claim, { sequence: 1, events: [completed("a", 1), completed("b", 2)] });
    assert.is((await store.log.read(request.executionId)).length, 3);
    await rejects(() => store.work.append(claim, { sequence: 5, events: [completed("c", 3)] }), FencedError);
    assert.is((await store.log.meta(request.executionId))?.status, "running");
  });

  test("append() refuses an epoch that is not the newest", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const stale = { ...claim, epoch: 0 };
    await rejects(() => store.work.append(stale, { sequence: 1, events: [completed("a", 1)] }), FencedError);
    await rejects(() => store.work.finish(stale, ending(claim)), FencedError);
    assert.is((await store.log.read(request.executionId)).length, 1);
    await store.work.finish(claim, ending(claim));
  });

  test("read() pages with after and limit", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.append(claim, { sequence: 1, events: [1, 2, 3, 4].map((n) => completed(`n${n}`, n)) });
    const page = await store.log.read(request.executionId, { limit: 2 });
    const rest = await store.log.read(request.executionId, { after: page[1]!.id });
    assert.equal(page.map((event) => event.node), [undefined, "n1"]);
    assert.equal(rest.map((event) => event.node), ["n2", "n3", "n4"]);
    assert.equal(await store.log.read("01900000-0000-7000-8000-000000000000"), []);
  });

  test("finish() ends the log, stores the result, answers the waiter and empties the work stream", async () => {
    const request = requestOf({ replyTo: store.replies.instance });
    const reply = awaitReply(store, request.executionId, { signal });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const options = ending(claim, { events: [completed("sum", 7), ...ending(claim).events] });
    await store.work.finish(claim, options);
    await store.work.finish(claim, options);
    assert.equal(await reply, options.result);
    assert.equal(await store.log.result(request.executionId), options.result);
    const events = await store.log.read(request.executionId);
    assert.equal(events.map((event) => event.type), ["execution.requested", "node.completed", "execution.completed"]);
    const meta = await store.log.meta(request.executionId);
    assert.is(meta?.status, "completed");
    assert.type(meta?.endedAt, "number");
    await rejects(() => store.work.append(claim, { sequence: 3, events: [completed("late", 1)] }), FencedError);
  });

  test("finish() delivers a result that is too large to travel", async () => {
    const request = requestOf({ replyTo: store.replies.instance });
    const reply = awaitReply(store, request.executionId, { signal });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const result = { executionId: claim.executionId, status: "completed" as const, output: "☃".repeat(50_000) };
    await store.work.finish(claim, ending(claim, { result }));
    assert.equal(await reply, result);
    assert.equal(await store.log.result(claim.executionId), result);
  });

  test("finish() lets result, log and meta expire after their own times", async () => {
    const ids: string[] = [];
    for (const historyTtlSeconds of [600, 1]) {
      const request = requestOf({ resultTtlSeconds: 1, historyTtlSeconds });
      await store.log.request(request);
      const claim = await takeClaim(store, request.executionId);
      await store.work.finish(claim, ending(claim));
      ids.push(request.executionId);
    }
    const [kept, brief] = ids;
    await eventually(async () => await store.log.result(kept!) === undefined, "the end of the result");
    assert.is((await store.log.read(kept!)).length, 2);
    await eventually(async () => (await store.log.read(brief!)).length === 0, "the end of the log");
    await eventually(async () => await store.log.meta(brief!) === undefined, "the end of the meta");
    assert.is((await store.log.meta(kept!))?.status, "completed");
  });

  test("append() with a reply answers the waiter before the end", async () => {
    const request = requestOf({ replyTo: store.replies.instance, replyEarly: true });
    const reply = awaitReply(store, request.executionId, { signal });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    assert.is(claim.replyEarly, true);
    const response = { status: 201, headers: {}, body: { ok: true } };
    await store.work.append(claim, {
      sequence: 1,
      events: [completed("reply", 1)],
      reply: { executionId: claim.executionId, status: "responded", response },
    });
    assert.equal((await reply).response, response);
    await store.work.finish(claim, ending(claim, { sequence: 2 }));
  });

  test("take() never hands out more than was asked for, and comes back empty", async () => {
    const requests = Array.from({ length: 5 }, () => requestOf());
    for (const request of requests) await store.log.request(request);
    const taken: string[] = [];
    while (taken.length < 5) {
      const claims = await store.work.take({ count: 2, blockMs: 500, signal });
      assert.ok(claims.length >= 1 && claims.length <= (driver.name.includes("partitions") ? 6 : 2));
      for (const claim of claims) {
        taken.push(claim.executionId);
        await store.work.finish(claim, ending(claim));
      }
    }
    assert.equal(taken.sort(), requests.map((request) => request.executionId).sort());
    const startedAt = Date.now();
    assert.equal(await store.work.take({ count: 2, blockMs: 100, signal }), []);
    assert.ok(Date.now() - startedAt >= 90);
  });

  test("take() returns at once when it is aborted", async () => {
    const controller = new AbortController();
    const taking = store.work.take({ count: 1, blockMs: 3_600_000, signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 50));
    controller.abort();
    assert.equal(await taking, []);
  });

  test("cancel() ends an execution whoever runs it, answers its caller and fences its worker off", async () => {
    const request = requestOf({ replyTo: store.replies.instance });
    const reply = awaitReply(store, request.executionId, { signal });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.append(claim, { sequence: 1, events: [completed("a", 1)] });
    const lost = new Promise<string[]>((resolve) => store.work.onControl((...signalled) => resolve(signalled)));
    assert.is(await store.log.cancel(request.executionId, { reason: "not needed" }), true);
    assert.is(await store.log.cancel(request.executionId), false);
    assert.is((await reply).status, "cancelled");
    assert.equal(await lost, [request.executionId, "lost"]);
    await rejects(() => store.work.finish(claim, ending(claim)), FencedError);
    await rejects(() => store.work.finish(claim, ending(claim, { sequence: 2 })), FencedError);
    assert.equal((await endsOnce(store, request.executionId)).at(-1)!.data, { reason: "not needed" });
    assert.is((await store.log.result(request.executionId))?.status, "cancelled");
    assert.is(await store.log.cancel("01900000-0000-7000-8000-000000000000"), false);
  });

  test("cancel() keeps work that nobody took yet from being handed out", async () => {
    const request = requestOf();
    await store.log.request(request);
    assert.is(await store.log.cancel(request.executionId), true);
    assert.equal(await store.work.take({ count: 10, blockMs: 100, signal }), []);
  });

  if (driver.isShared) {
    test("a claim whose worker went silent is taken over under a higher epoch, and the first is fenced off", async () => {
      const silent = await driver.open("silent", { leaseSeconds: 0.6 });
      const request = requestOf();
      await store.log.request(request);
      const first = await takeClaim(silent, request.executionId);
      await silent[Symbol.asyncDispose]();
      await using successor = await driver.open("successor", { leaseSeconds: 0.6 });
      const second = await takeClaim(successor, request.executionId);
      assert.is(second.epoch, 2);
      assert.equal([second.sequence, second.input], [1, undefined]);
      await rejects(() => store.work.finish(first, ending(first)), FencedError);
      await successor.work.finish(second, ending(second, { sequence: 1 }));
      assert.is((await store.log.result(request.executionId))?.status, "completed");
      await endsOnce(store, request.executionId);
    });

    test("a reply reaches the instance that asked, whichever finishes", async () => {
      await using other = await driver.open("other");
      const request = requestOf({ replyTo: other.replies.instance });
      const reply = awaitReply(other, request.executionId, { signal });
      await other.log.request(request);
      const claim = await takeClaim(store, request.executionId);
      await store.work.finish(claim, ending(claim));
      assert.is((await reply).status, "completed");
    });
  }

  test.run();
}
