/**
 * The contract of mailboxes, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isGap, type MailboxEntry } from "../../src/sessions/mailbox.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openEach } from "./drivers.ts";
import { refuses } from "./expectations.ts";

const EVENTS = { box: "events", id: "alice" } as const;

/** Follows until `count` entries have come; what came, in order. */
async function followed(store: Store, count: number, after?: string): Promise<(string | "gap")[]> {
  const controller = new AbortController();
  const came: string[] = [];
  const follow = store.mailboxes.follow(EVENTS, { signal: controller.signal, ...(after !== undefined && { after }) });
  for await (const batch of follow) {
    if (batch === "gap") came.push("gap");
    else came.push(...batch.map(({ json }) => json));
    if (came.length >= count) break;
  }
  controller.abort();
  return came;
}

for (const driver of drivers()) {
  const test = suite(`Mailboxes on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { mailboxEntries: 10, mailboxBytes: 1000 });

  test("read() gives what was posted to one box of one session, in order and from any entry on", async () => {
    const ids: string[] = [];
    for (const n of [0, 1, 2, 3]) ids.push(await store.mailboxes.post(EVENTS, String(n)));
    await store.mailboxes.post({ box: "commands", id: "alice" }, '"go"');
    await store.mailboxes.post({ box: "events", id: "alice:x" }, '"other"');
    const read = async (options: { limit: number; after?: string }) =>
      (await store.mailboxes.read(EVENTS, options)).map(({ json }) => json);
    assert.equal(await read({ limit: 10 }), ["0", "1", "2", "3"]);
    assert.equal(await read({ limit: 2 }), ["0", "1"]);
    assert.equal(await read({ limit: 2, after: ids[0]! }), ["1", "2"]);
    assert.equal(await read({ limit: 2, after: ids[3]! }), []);
    assert.equal([...ids].sort((a, b) => a.length - b.length || (a < b ? -1 : 1)), ids);
  });

  test("a box keeps so many entries and so many bytes, and the newest of them", async () => {
    const count = async () => (await store.mailboxes.read(EVENTS, { limit: 100 })).length;
    for (let n = 0; n < 15; n++) await store.mailboxes.post(EVENTS, String(n));
    assert.is(await count(), 10);
    for (let n = 0; n < 5; n++) await store.mailboxes.post(EVENTS, `"${"x".repeat(298)}"`);
    assert.is(await count(), 3);
    await store.mailboxes.post(EVENTS, `"${"x".repeat(998)}"`);
    assert.is(await count(), 1);
    await refuses(() => store.mailboxes.post(EVENTS, `"${"x".repeat(999)}"`), "document_too_large");
    await refuses(() => store.mailboxes.post(EVENTS, `"${"é".repeat(500)}"`), "document_too_large");
  });

  test("follow() gives what is there and then what comes, to every follower on every instance", async () => {
    const other = driver.isShared ? await driver.open("b") : store;
    try {
      await store.mailboxes.post(EVENTS, "1");
      const second = await store.mailboxes.post(EVENTS, "2");
      const all = [followed(store, 4), followed(store, 4), followed(other, 4), followed(other, 2, second)];
      await store.mailboxes.post(EVENTS, "3");
      await other.mailboxes.post(EVENTS, "4");
      assert.equal(await Promise.all(all), [...Array(3).fill(["1", "2", "3", "4"]), ["3", "4"]]);
    } finally {
      if (other !== store) await other[Symbol.asyncDispose]();
    }
  });

  test("follow() says gap where entries are gone, and nowhere else", async () => {
    const first = await store.mailboxes.post(EVENTS, "0");
    for (let n = 1; n < 11; n++) await store.mailboxes.post(EVENTS, String(n));
    const tenth = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    // The one that it goes on after is gone itself, and nothing else.
    assert.equal(await followed(store, 10, first), tenth);
    await store.mailboxes.post(EVENTS, "11");
    assert.equal(await followed(store, 11, first), ["gap", ...tenth.slice(1), "11"]);
    assert.equal(await followed(store, 10), [...tenth.slice(1), "11"]);
  });

  test("clear() empties the boxes of a session, and followers go on", async () => {
    const after = await store.mailboxes.post(EVENTS, "1");
    const following = followed(store, 2, after);
    await store.mailboxes.post({ box: "input", id: "alice" }, "1");
    await store.mailboxes.clear("alice");
    assert.equal(await store.mailboxes.read(EVENTS, { limit: 10 }), []);
    assert.equal(await store.mailboxes.read({ box: "input", id: "alice" }, { limit: 10 }), []);
    await store.mailboxes.post(EVENTS, "2");
    assert.equal(await following, ["gap", "2"]);
  });

  test("recent() gives the newest events of all sessions, newest first, and nothing of other boxes", async () => {
    for (let n = 0; n < 4; n++) {
      await store.mailboxes.post({ box: "events", id: `s"${n}` }, JSON.stringify({ n }));
      await store.mailboxes.post({ box: "input", id: `s"${n}` }, '"typed"');
      // Ids of different partitions are told apart by their milliseconds.
      const now = store.clock.now();
      await eventually(() => Promise.resolve(store.clock.now() > now + 1), "the next milliseconds");
    }
    const events = await store.mailboxes.recent({ limit: 3 });
    assert.equal(events.map(({ session, json }) => [session, json]), [
      ['s"3', '{"n":3}'],
      ['s"2', '{"n":2}'],
      ['s"1', '{"n":1}'],
    ]);
    const [entry] = await store.mailboxes.read({ box: "events", id: 's"3' }, { limit: 1 });
    assert.is(events[0]!.id, entry!.id);
  });

  test("a state in the designer tells its followers of each change, and of nothing that was refused", async () => {
    const box = { box: "designer", id: "orders" } as const;
    const write = { json: "{}", ttlMs: 60_000, sealed: "" };
    const saved = await store.designer.write("orders", write, "none");
    await store.designer.write("orders", write, "none");
    await store.designer.write("orders", { ...write, isSame: true }, "*");
    await store.designer.read("orders");
    await store.designer.delete("orders", 1);
    await store.designer.delete("orders", "*");
    assert.ok(saved.kind === "done");
    const told = (await store.mailboxes.read(box, { limit: 10 })).map(({ json }) => JSON.parse(json));
    assert.equal(told, [{ type: "saved", version: saved.value.version }, { type: "deleted" }]);
  });

  test.run();
}

const test = suite("isGap()");
const entry = (id: string, before: string): MailboxEntry => ({ id, before, json: "1" });

test("isGap() is true where an entry may have been missed", () => {
  const ttlMs = 1000;
  // Who reads from the beginning misses nothing.
  assert.is(isGap(entry("5000-0", "4000-0"), { id: undefined, isLive: false }, ttlMs), false);
  assert.is(isGap(entry("5000-0", "4000-0"), { id: "4000-0", isLive: true }, ttlMs), false);
  assert.is(isGap(entry("5000-0", "4000-1"), { id: "4000-0", isLive: true }, ttlMs), true);
  // The box was empty: for who was there it has expired, or was lost before its time.
  assert.is(isGap(entry("5000-0", ""), { id: "3000-0", isLive: true }, ttlMs), false);
  assert.is(isGap(entry("5000-0", ""), { id: "4500-0", isLive: true }, ttlMs), true);
  // For who was not, it may have held anything.
  assert.is(isGap(entry("5000-0", ""), { id: "3000-0", isLive: false }, ttlMs), true);
});

test.run();
