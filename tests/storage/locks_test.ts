/**
 * The contract of named locks, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Grant } from "../../src/locks/lock_store.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openPairs } from "./drivers.ts";
import { refuses } from "./expectations.ts";
import { NAME, request, take, waitFor } from "./lock_requests.ts";

for (const driver of drivers()) {
  const test = suite(`Locks on ${driver.name}`);
  let store: Store;
  let other: Store;

  openPairs(test, driver, (one, two) => [store, other] = [one, two]);

  const queued = (count: number, name = NAME) =>
    eventually(async () => (await store.locks.inspect(name)).waiting === count, `${count} waiters`);

  test("a lock has one holder, whose fence is higher than that of the one before", async () => {
    const first = (await take(store))!;
    assert.is(await take(other), undefined);
    assert.is(await other.locks.release(NAME, "another"), false);
    assert.is(await other.locks.release(NAME, first.token), true);
    assert.is(await store.locks.release(NAME, first.token), false);
    const second = (await take(other))!;
    assert.ok(second.fence > first.fence);
    assert.is.not(second.token, first.token);
    assert.ok(Number.isSafeInteger(second.fence));
  });

  test("inspect() tells who holds a lock and who waits, and no token", async () => {
    assert.equal(await store.locks.inspect(NAME), { name: NAME, holders: [], waiting: 0, waiters: [] });
    const grant = (await take(store))!;
    const waiting = waitFor(other, { owner: "other  one", mode: "shared" });
    await queued(1);
    const state = await store.locks.inspect(NAME);
    const [holder] = state.holders;
    assert.is(state.holders.length, 1);
    assert.is(holder!.owner, "me, myself");
    assert.is(holder!.fence, grant.fence);
    assert.is(holder!.expiresAt, grant.expiresAt);
    assert.ok(holder!.remainingMs > 50_000 && holder!.remainingMs <= 60_000);
    assert.equal(state.waiters, [{ owner: "other  one", mode: "shared" }]);
    assert.not(JSON.stringify(state).includes(grant.token));
    assert.equal((await store.locks.list({ limit: 10 })).map(({ name }) => name), [NAME]);
    await store.locks.release(NAME, grant.token);
    await store.locks.release(NAME, (await waiting)!.token);
    assert.equal(await store.locks.list({ limit: 10 }), []);
  });

  test("a release wakes those who wait, one after the other, in the order of their arrival", async () => {
    let held = (await take(store))!;
    const order: number[] = [];
    const waiting: Promise<Grant>[] = [];
    for (let n = 0; n < 8; n++) {
      waiting.push(
        waitFor(n % 2 === 0 ? store : other).then((grant) => {
          order.push(n);
          return grant!;
        }),
      );
      await queued(n + 1);
    }
    let fence = held.fence;
    for (const next of waiting) {
      await store.locks.release(NAME, held.token);
      held = await next;
      assert.ok(held.fence > fence);
      fence = held.fence;
    }
    assert.equal(order, [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("whoever comes while somebody waits does not come first", async () => {
    const held = (await take(store, { mode: "shared" }))!;
    const writer = waitFor(other);
    await queued(1);
    assert.is(await take(store, { mode: "shared" }), undefined);
    await store.locks.release(NAME, held.token);
    await store.locks.release(NAME, (await writer)!.token);
    assert.ok(await take(store, { mode: "shared" }));
  });

  test("a shared lock has many holders, and the next exclusive one comes when all are gone", async () => {
    const readers = [(await take(store, { mode: "shared" }))!, (await take(other, { mode: "shared" }))!];
    assert.is(new Set(readers.map(({ fence }) => fence)).size, 2);
    assert.is(await take(store), undefined);
    let isGranted = false;
    const writer = waitFor(store).then((grant) => {
      isGranted = true;
      return grant!;
    });
    await queued(1);
    const behind = [waitFor(other, { mode: "shared" }), waitFor(store, { mode: "shared" })];
    await queued(3);
    await other.locks.release(NAME, readers[0]!.token);
    assert.is((await store.locks.inspect(NAME)).holders.length, 1);
    assert.not(isGranted);
    await store.locks.release(NAME, readers[1]!.token);
    const { token, fence } = await writer;
    assert.ok(fence > readers[1]!.fence);
    await store.locks.release(NAME, token);
    const both = await Promise.all(behind);
    assert.is((await store.locks.inspect(NAME)).holders.length, 2);
    for (const grant of both) assert.is(await store.locks.release(NAME, grant!.token), true);
  });

  test("waitMs and the signal end a wait, and leave no place behind", async () => {
    const held = (await take(store))!;
    assert.is(await take(other, { waitMs: 50 }), undefined);
    const controller = new AbortController();
    const aborted = store.locks.acquire(request({ waitMs: Infinity }), { signal: controller.signal });
    await queued(1);
    const reason = new Error("enough");
    controller.abort(reason);
    assert.is(await aborted.catch((error) => error), reason);
    const late = store.locks.acquire(request(), { signal: controller.signal });
    assert.is(await late.catch((error) => error), reason);
    assert.is((await store.locks.inspect(NAME)).waiting, 0);
    await store.locks.release(NAME, held.token);
    assert.ok(await take(store));
  });

  test("a wait may be longer than timers can be", async () => {
    const held = (await take(store))!;
    const waiting = waitFor(other, { waitMs: 2 ** 31 });
    await queued(1);
    // A timer that is too long comes at once.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await store.locks.release(NAME, held.token);
    assert.ok((await waiting)!.fence > held.fence);
  });

  test("who leaves the queue lets those behind it share", async () => {
    const held = (await take(store, { mode: "shared" }))!;
    const controller = new AbortController();
    const writer = store.locks.acquire(request({ waitMs: Infinity }), { signal: controller.signal });
    await queued(1);
    const reader = waitFor(other, { mode: "shared" });
    await queued(2);
    controller.abort();
    await writer.catch(() => {});
    assert.ok((await reader)!.fence > held.fence);
  });

  test("a stolen lock is the thief's, and its holder hears of it", async () => {
    const lost: string[] = [];
    other.locks.onLost((token) => lost.push(token));
    const held = (await take(other))!;
    const waiting = waitFor(store);
    await queued(1);
    const stolen = (await take(store, { steal: true }))!;
    assert.ok(stolen.fence > held.fence);
    await eventually(() => Promise.resolve(lost.includes(held.token)), "the loss is heard of");
    assert.is(await other.locks.renew(NAME, { token: held.token, ttlMs: 60_000 }), undefined);
    assert.is((await store.locks.inspect(NAME)).waiting, 1);
    await store.locks.release(NAME, stolen.token);
    const next = (await waiting)!;
    await store.locks.release(NAME, next.token);

    const sharers = [(await take(other, { mode: "shared" }))!, (await take(other, { mode: "shared" }))!];
    assert.ok(await take(store, { steal: true }));
    await eventually(() => Promise.resolve(sharers.every(({ token }) => lost.includes(token))), "both hear");
    assert.is((await store.locks.inspect(NAME)).holders.length, 1);
  });

  test("each name is a lock of its own, whatever characters it has", async () => {
    const names = ["a", "b", "__proto__", "constructor", "a:b", "{0}", "*", "ä€😀", "x".repeat(256), "a b"];
    const grants = await Promise.all(names.map((name) => take(store, { name, owner: "ö 😀 {}" })));
    assert.ok(grants.every((grant) => grant !== undefined));
    const listed = await other.locks.list({ limit: 100 });
    assert.equal(listed.map(({ name }) => name), [...names].sort());
    assert.ok(listed.every(({ holders }) => holders[0]!.owner === "ö 😀 {}"));
    assert.is((await other.locks.list({ limit: 3 })).length, 3);
  });

  test("list() has a shared lock for as long as anybody holds it, and no longer", async () => {
    const share = async (name: string, ttlMs: number) => (await take(store, { name, mode: "shared", ttlMs }))!;
    const names = async (limit: number) => (await other.locks.list({ limit })).map(({ name }) => name);
    const left = (name: string, count: number) =>
      eventually(async () => (await store.locks.inspect(name)).holders.length === count, `${count} hold ${name}`);
    const [long, short] = [await share("a", 60_000), await share("a", 60_000)];
    await store.locks.renew("a", { token: short.token, ttlMs: 100 });
    await share("a", 100);
    await left("a", 1);
    assert.equal(await names(10), ["a"]);
    // The last to hold it has less time than who leaves.
    await share("a", 100);
    await store.locks.release("a", long.token);
    await left("a", 0);
    await share("b", 600_000);
    assert.equal(await names(1), ["b"]);
  });

  test("a closed store ends its waits", async () => {
    const mine = await driver.open("c");
    const held = (await take(driver.isShared ? store : mine))!;
    const waiting = mine.locks.acquire(request({ waitMs: Infinity }));
    waiting.catch(() => {});
    await eventually(
      async () => (await (driver.isShared ? store : mine).locks.inspect(NAME)).waiting === 1,
      "it waits",
    );
    await mine[Symbol.asyncDispose]();
    await refuses(() => waiting, "unavailable");
    assert.ok(held);
  });

  test.run();
}
