// not quick: leases run out while it waits
/**
 * The library over the memory driver: what the Web Locks API has, and what goes beyond it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Grant, LockRequest, LockStore } from "../../src/locks/lock_store.ts";
import { type Lock, Locks } from "../../src/locks/locks.ts";
import { MemoryLocks } from "../../src/storage/memory/locks.ts";
import { UnavailableError } from "../../src/lib/errors.ts";
import { eventually } from "../support/eventually.ts";

function open(store: LockStore = new MemoryLocks()) {
  return { store, locks: new Locks({ store, clientId: "test" }) };
}

async function thrown(work: Promise<unknown>): Promise<Error> {
  return await work.then(() => Promise.reject(new Error("nothing was thrown")), (error) => error);
}

test("request() holds the lock while the callback runs, gives what it returns, and releases", async () => {
  const { locks } = open();
  const order: string[] = [];
  const first = locks.request("a", async (lock) => {
    assert.is(lock.name, "a");
    assert.is(lock.mode, "exclusive");
    order.push("first begins");
    await new Promise((resolve) => setTimeout(resolve, 20));
    order.push("first ends");
    return 7;
  });
  const second = locks.request("a", { mode: "exclusive" }, () => void order.push("second"));
  assert.is(await first, 7);
  await second;
  assert.equal(order, ["first begins", "first ends", "second"]);
  assert.equal(await locks.query(), { held: [], pending: [] });
});

test("request() releases the lock and throws on when the callback throws", async () => {
  const { locks } = open();
  assert.is((await thrown(locks.request("a", () => Promise.reject(new Error("no"))))).message, "no");
  const sync = locks.request("a", () => {
    throw new Error("at once");
  });
  assert.is((await thrown(sync)).message, "at once");
  assert.is(await locks.request("a", { ifAvailable: true }, (lock) => lock?.mode), "exclusive");
});

test("what a callback came to counts though the release fails; onError is told of that, and release() rejects", async () => {
  const away = new UnavailableError("away");
  class Away extends MemoryLocks {
    override release(): Promise<boolean> {
      return Promise.reject(away);
    }
  }
  const told: unknown[] = [];
  const locks = new Locks({ store: new Away(), clientId: "test", onError: (error) => told.push(error) });
  assert.is(await locks.request("a", () => 7), 7);
  assert.is((await thrown(locks.request("b", () => Promise.reject(new Error("no"))))).message, "no");
  let kept: Lock;
  {
    await using lock = await locks.acquire("c");
    kept = lock;
  }
  assert.equal(told, [away, away, away]);
  assert.is(await thrown(kept.release()), away);
  // Nobody has to listen.
  assert.is(await new Locks({ store: new Away(), clientId: "test" }).request("a", () => 7), 7);
});

test("request() with ifAvailable gives null instead of waiting", async () => {
  const { locks } = open();
  await locks.request("a", async () => {
    assert.is(await locks.request("a", { ifAvailable: true }, (lock) => lock), null);
    assert.is(await locks.request("b", { ifAvailable: true }, (lock) => lock?.name), "b");
  });
});

test("query() shows what is held and what is waited for", async () => {
  const { locks } = open();
  await using _a = await locks.acquire("a", { mode: "shared" });
  await using _b = await locks.acquire("b");
  const controller = new AbortController();
  const waiting = locks.request("a", { signal: controller.signal }, () => {});
  assert.equal(await locks.query(), {
    held: [{ name: "a", mode: "shared", clientId: "test" }, { name: "b", mode: "exclusive", clientId: "test" }],
    pending: [{ name: "a", mode: "exclusive", clientId: "test" }],
  });
  controller.abort();
  assert.is((await thrown(waiting)).name, "AbortError");
});

test("acquire() gives a lock to a block, and release() says whether it was still held", async () => {
  const { locks, store } = open();
  let kept: Lock;
  {
    await using lock = await locks.acquire("a");
    kept = lock;
    assert.is((await store.inspect("a")).holders.length, 1);
  }
  assert.is((await store.inspect("a")).holders.length, 0);
  assert.is(await kept.release(), true);
  const again = await locks.acquire("a");
  assert.is(await again.release(), true);
  assert.is(await again.release(), true);
  assert.not(again.signal.aborted);
});

test("request() rejects with a TimeoutError after waitMs, and with the signal's reason", async () => {
  const { locks } = open();
  await using _ = await locks.acquire("a");
  assert.is((await thrown(locks.acquire("a", { waitMs: 10 }))).name, "TimeoutError");
  const reason = new Error("enough");
  assert.is(await thrown(locks.request("a", { signal: AbortSignal.abort(reason) }, () => {})), reason);
});

test("request() with steal takes the lock: the former holder's signal and promise say so", async () => {
  const { locks } = open();
  let seen: AbortSignal | undefined;
  const robbed = locks.request("a", async ({ signal }) => {
    seen = signal;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return "ended by the signal";
  });
  while (seen === undefined) await new Promise((resolve) => setTimeout(resolve));
  const fence = await locks.request("a", { steal: true }, (lock) => lock.fence);
  assert.type(fence, "number");
  assert.is((await thrown(robbed)).name, "AbortError");
  assert.ok(seen.aborted);
});

test("request() refuses options that exclude each other, and names that are none", async () => {
  const { locks } = open();
  const { signal } = new AbortController();
  for (
    const [name, options] of [
      ["-a", {}],
      ["", {}],
      ["a\n", {}],
      ["\ud800", {}],
      ["a".repeat(257), {}],
      ["a", { steal: true, ifAvailable: true }],
      ["a", { steal: true, mode: "shared" }],
      ["a", { steal: true, signal }],
      ["a", { ifAvailable: true, signal }],
    ] as const
  ) {
    assert.is((await thrown(locks.request(name, options, () => {}))).name, "NotSupportedError", JSON.stringify(name));
  }
  assert.instance(await thrown(locks.acquire("a", { mode: "other" as "shared" })), TypeError);
  for (const ttlMs of [0, 99, 1.5, NaN, 86_400_001]) {
    assert.instance(await thrown(locks.acquire("a", { ttlMs })), RangeError);
  }
  assert.instance(await thrown(locks.acquire("a", { waitMs: -1 })), RangeError);
});

/** A memory store whose renewals are made by the test. */
class Renewing extends MemoryLocks {
  calls = 0;
  readonly answer: (grant: Grant | undefined) => Grant | undefined;
  constructor(answer: (grant: Grant | undefined) => Grant | undefined) {
    super();
    this.answer = answer;
  }
  override async renew(name: string, options: { token: string; ttlMs: number }): Promise<Grant | undefined> {
    this.calls++;
    return this.answer(await super.renew(name, options));
  }
}

test("a held lock is renewed for as long as it is held", async () => {
  const store = new Renewing((grant) => grant);
  const { locks } = open(store);
  await using lock = await locks.acquire("a", { ttlMs: 15_000 });
  await eventually(() => store.calls >= 3, "it is renewed at the end of its first lease");
  assert.not(lock.signal.aborted);
  assert.is((await store.inspect("a")).holders[0]!.fence, lock.fence);
});

test("a lock is lost at once when the store says so, and release() says that it was", async () => {
  const { locks } = open(new Renewing(() => undefined));
  const lock = await locks.acquire("a", { ttlMs: 60_000 });
  const short = await locks.acquire("b", { ttlMs: 150 });
  await new Promise((resolve) => short.signal.addEventListener("abort", resolve));
  assert.is(short.signal.reason.name, "AbortError");
  assert.is(await short.release(), false);
  assert.not(lock.signal.aborted);
  assert.is(await lock.release(), true);
});

test("a lock that cannot be renewed is lost when its lease ends, not before, and tried for until then", async () => {
  const store = new Renewing(() => {
    throw new UnavailableError("away");
  });
  const { locks } = open(store);
  const startedAt = performance.now();
  const lock = await locks.acquire("a", { ttlMs: 10_000 });
  await new Promise((resolve) => lock.signal.addEventListener("abort", resolve));
  assert.ok(performance.now() - startedAt >= 9999);
  assert.ok(store.calls > 1);
});

test("a lease counts from before it was asked for", async () => {
  class Slow extends MemoryLocks {
    override async acquire(request: LockRequest): Promise<Grant | undefined> {
      const grant = await super.acquire(request);
      await new Promise((resolve) => setTimeout(resolve, 250));
      return grant;
    }
  }
  const lock = await open(new Slow()).locks.acquire("a", { ttlMs: 200 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(lock.signal.aborted);
});

test.run();
