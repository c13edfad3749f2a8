/**
 * The contract of tails and waits, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Store } from "../../src/storage/store.ts";
import { awaitReply, completed, drivers, ending, requestOf, takeClaim } from "./drivers.ts";
import { eventually } from "../support/eventually.ts";
import { refuses } from "./expectations.ts";

/** An id that no entry has yet. */
const AHEAD = "999999999999999";

for (const driver of drivers()) {
  const test = suite(`Tails on ${driver.name}`);
  const live = new AbortController();
  const signal = live.signal;
  let store: Store;

  test.before(async () => {
    store = await driver.open("a", { maxWaiters: 3 });
  });
  test.after(async () => {
    live.abort();
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("wait() ends with its caller, frees its place, and has a limit", async () => {
    const controllers = [1, 2, 3].map(() => new AbortController());
    const waits = controllers.map((controller) =>
      store.replies.wait(requestOf().executionId, { timeoutMs: 60_000, signal: () => controller.signal }).reply
    );
    assert.is(store.replies.size, 3);
    await refuses(async () => await awaitReply(store, requestOf().executionId, { signal }), "too_many_waiters");
    for (const controller of controllers) controller.abort();
    assert.equal(await Promise.all(waits), Array(3).fill({ interrupted: "caller gone" }));
    assert.is(store.replies.size, 0);
  });

  test("tail() gives history, then what is appended, and ends after the terminal event", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const seen: string[] = [];
    const tailing = (async () => {
      for await (const event of store.log.tail(request.executionId, { signal })) seen.push(event.node ?? event.type);
    })();
    for (let n = 0; n < 20; n++) {
      await store.work.append(claim, { sequence: 1 + n, events: [completed(`n${n}`, n)] });
      if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await store.work.finish(claim, ending(claim, { sequence: 21 }));
    await tailing;
    const nodes = Array.from({ length: 20 }, (_, n) => `n${n}`);
    assert.equal(seen, ["execution.requested", ...nodes, "execution.completed"]);
  });

  test("tail() goes on after an entry without gap or repeat, for several readers at once", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.append(claim, { sequence: 1, events: [1, 2, 3].map((n) => completed(`n${n}`, n)) });
    const events = await store.log.read(request.executionId);
    const readers = events.map(async ({ id }) => {
      const seen: string[] = [];
      for await (const event of store.log.tail(request.executionId, { signal, after: id })) {
        seen.push(event.node ?? "end");
      }
      return seen;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await store.work.append(claim, { sequence: 4, events: [completed("n4", 4)] });
    await store.work.finish(claim, ending(claim, { sequence: 5 }));
    const expected = ["n1", "n2", "n3", "n4", "end"];
    assert.equal(await Promise.all(readers), [0, 1, 2, 3].map((from) => expected.slice(from)));
  });

  test("tail() tells who is ahead of a log so, and goes on with what comes", async () => {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const seen: string[] = [];
    const onLoss = () => void seen.push("loss");
    const tailing = (async () => {
      for await (const event of store.log.tail(request.executionId, { signal, after: AHEAD, onLoss })) {
        seen.push(event.node ?? event.type);
      }
    })();
    await eventually(() => seen.length === 1, "the loss");
    await store.work.append(claim, { sequence: 1, events: [completed("n1", 1)] });
    await store.work.finish(claim, ending(claim, { sequence: 2 }));
    await tailing;
    assert.equal(seen, ["loss", "n1", "execution.completed"]);
  });

  test("tail() ends at once for who has had the end, or is ahead of it", async () => {
    // Longer than the test waits: a log that expires ends its tails too.
    const request = requestOf({ historyTtlSeconds: 3600 });
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    await store.work.finish(claim, ending(claim));
    const end = (await store.log.read(request.executionId)).at(-1)!;
    const seen: string[] = [];
    for (const after of [end.id, AHEAD]) {
      void (async () => {
        for await (const event of store.log.tail(request.executionId, { signal, after })) seen.push(event.type);
        seen.push("the end");
      })();
    }
    await eventually(() => seen.length === 2, "both");
    assert.equal(seen, ["the end", "the end"]);
  });

  test("tail() returns on abort, and for an execution that does not exist", async () => {
    const request = requestOf();
    await store.log.request(request);
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const event of store.log.tail(request.executionId, { signal: controller.signal })) {
      seen.push(event.type);
      setTimeout(() => controller.abort(), 50);
    }
    assert.equal(seen, ["execution.requested"]);
    const claim = await takeClaim(store, request.executionId);
    await store.work.finish(claim, ending(claim));
  });

  test.run();
}
