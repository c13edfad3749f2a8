/**
 * Reading a log from anywhere, over every driver: what was appended together, in whatever form it is kept, reads as the
 * events that it was.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LogEvent, StoredEvent } from "../../src/execution/event.ts";
import { compareEntryIds } from "../../src/lib/entry_id.ts";
import { applyEvent, emptyState } from "../../src/execution/state.ts";
import type { Store } from "../../src/storage/store.ts";
import { completed, drivers, ending, openEach, requestOf, takeClaim } from "./drivers.ts";

const LARGE = "x".repeat(40_000);

/** Each line is one append. */
const APPENDS: LogEvent[][] = [
  [started("first"), completed("first", 1), begun(), started("a"), completed("a", "small"), started("b")],
  [completed("b", 2), started("c"), completed("c", LARGE), started("d"), started("e"), completed("d", 3)],
  [started("again", 2), completed("again", 4), started("f"), completed("e", 5), completed("f", LARGE)],
];

function begun(): LogEvent {
  return { type: "execution.started", time: Date.now(), data: { epoch: 1, worker: "w" } };
}

function started(node: string, attempt = 1): LogEvent {
  return { type: "node.started", time: Date.now() - 5, node, data: { attempt } };
}

for (const driver of drivers()) {
  const test = suite(`The pages of a log on ${driver.name}`);
  let store: Store;
  let id: string;
  let written: LogEvent[];

  openEach(test, driver, (opened) => store = opened);
  test.before.each(async () => {
    const request = requestOf();
    id = request.executionId;
    await store.log.request(request);
    const claim = await takeClaim(store, id);
    written = [];
    for (const events of APPENDS) {
      await store.work.append(claim, { sequence: 1 + written.length, events });
      written.push(...events);
    }
    const last = [started("g"), completed("g", 6), ...ending(claim).events];
    await store.work.finish(claim, ending(claim, { sequence: 1 + written.length, events: last }));
    written.push(...last);
  });

  test("read() gives every event that was appended, in order, each under a growing id of its own", async () => {
    const [, ...events] = await store.log.read(id);
    assert.equal(events.map(({ id: _id, ...event }) => event), written);
    assert.ok(events.every((event, i) => i === 0 || compareEntryIds(events[i - 1]!.id, event.id) < 0));
  });

  test("read() and tail() go on after any event, and read() stops at any", async () => {
    const all = await store.log.read(id);
    for (const [i, { id: after }] of all.entries()) {
      assert.equal(await store.log.read(id, { after }), all.slice(i + 1));
      for (const limit of [1, 2, 5]) {
        assert.equal(await store.log.read(id, { after, limit }), all.slice(i + 1, i + 1 + limit));
      }
      if (i === all.length - 1) break;
      const rest: StoredEvent[] = [];
      for await (const event of store.log.tail(id, { after, signal: AbortSignal.timeout(60_000) })) rest.push(event);
      assert.equal(rest, all.slice(i + 1));
    }
  });

  test("the feed points to all events of an append", async () => {
    const all = await store.log.read(id);
    const entries = [];
    while (entries.length < APPENDS.length + 2) {
      entries.push(
        ...await store.projections.takeFeed({
          count: 10,
          blockMs: 1000,
          signal: AbortSignal.timeout(60_000),
        }),
      );
    }
    let at = 0;
    for (const { first, last, types } of entries) {
      const events = all.slice(at, at += types.length);
      assert.equal(types, events.map(({ type }) => type));
      assert.equal([first, last], [events[0]!.id, events.at(-1)!.id]);
    }
  });

  test("the state says when each node started", async () => {
    const state = emptyState();
    for (const event of await store.log.read(id)) applyEvent(state, event);
    for (const event of written) {
      if (event.type === "node.started") assert.is(state.nodes.get(event.node!)!.startedAt, event.time);
    }
  });

  test.run();
}
