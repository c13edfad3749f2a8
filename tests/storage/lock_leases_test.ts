/**
 * The contract of the leases of named locks, over every driver: how they end, and how they are renewed.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openPairs } from "./drivers.ts";
import { NAME, take, waitFor } from "./lock_requests.ts";

for (const driver of drivers()) {
  const test = suite(`Leases of locks on ${driver.name}`);
  let store: Store;
  let other: Store;

  openPairs(test, driver, (one, two) => [store, other] = [one, two]);

  test("a lease ends by itself, and who waits is granted the lock then", async () => {
    const startedAt = performance.now();
    const lapsing = (await take(store, { ttlMs: 200 }))!;
    const next = (await waitFor(other))!;
    assert.ok(performance.now() - startedAt > 190);
    assert.ok(next.fence > lapsing.fence);
    assert.is(await store.locks.renew(NAME, { token: lapsing.token, ttlMs: 60_000 }), undefined);
    assert.is(await store.locks.release(NAME, lapsing.token), false);
    assert.is((await store.locks.inspect(NAME)).holders[0]!.fence, next.fence);
  });

  test("a shared lease ends by itself, beside others that go on", async () => {
    const lapsing = (await take(store, { mode: "shared", ttlMs: 200 }))!;
    const lasting = (await take(other, { mode: "shared" }))!;
    await eventually(async () => (await store.locks.inspect(NAME)).holders.length === 1, "one sharer left");
    assert.is(await store.locks.renew(NAME, { token: lapsing.token, ttlMs: 60_000 }), undefined);
    assert.is(await take(store), undefined);
    await other.locks.release(NAME, lasting.token);
    assert.ok(await take(store));
  });

  test("a renewal extends the lease, to less as well as to more", async () => {
    for (const mode of ["exclusive", "shared"] as const) {
      const { token, fence } = (await take(store, { ttlMs: 60_000, mode }))!;
      const renewed = (await other.locks.renew(NAME, { token, ttlMs: 600_000 }))!;
      assert.is(renewed.fence, fence);
      assert.ok((await store.locks.inspect(NAME)).holders[0]!.remainingMs > 60_000);
      await store.locks.renew(NAME, { token, ttlMs: 100 });
      await eventually(async () => (await store.locks.inspect(NAME)).holders.length === 0, "the lease ends");
    }
  });

  test("who asks once inspect() shows no holder gets the lock, to the millisecond", async () => {
    for (const mode of ["exclusive", "shared"] as const) {
      for (let round = 0; round < 100; round++) {
        assert.ok(await take(store, { ttlMs: 2, mode }), `${mode}, round ${round}`);
        while ((await store.locks.inspect(NAME)).holders.length > 0);
      }
    }
  });

  test.run();
}
