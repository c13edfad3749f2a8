/**
 * Locks on Redis: what becomes of them when instances die, stall, or Redis loses its data.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TerminalError, UnavailableError } from "../../../src/lib/errors.ts";
import type { Grant, LockRequest } from "../../../src/locks/lock_store.ts";
import { Locks } from "../../../src/locks/locks.ts";
import { createRunLocked } from "../../../src/nodes/run_locked.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { lockIndex, lockKeys, lockWakes } from "../../../src/storage/redis/lock_keys.ts";
import { enterLock } from "../../../src/storage/redis/scripts/enter_lock.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import type { Store } from "../../../src/storage/store.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { startProxy } from "../../support/tcp_proxy.ts";

const NAME = "nightly";
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const keys = new Keys({ prefix });
let store: Store;
let commands: RedisConnection;

test.before.each(async () => {
  store = await openRedisStore({ url, prefix, instance: `locks-${prefix}` });
  commands = await RedisConnection.open({ url });
});
test.after.each(async () => {
  await store[Symbol.asyncDispose]();
  commands.close();
  await removeKeys(url, prefix);
});

const request = (options: Partial<LockRequest> = {}): LockRequest => ({
  name: NAME,
  owner: "a",
  mode: "exclusive",
  ttlMs: 60_000,
  waitMs: 60_000,
  ...options,
});
const queued = (count: number) =>
  eventually(async () => (await store.locks.inspect(NAME)).waiting === count, `${count} waiters`);

/** Asks for the lock as an instance that is gone before it hears of anything. */
async function enterAsGhost(instance: string, wakesTtlMs: number): Promise<void> {
  await enterLock(commands, {
    keys: { ...lockKeys(keys, NAME), wakes: lockWakes(keys, 0, instance) },
    base: keys.base(0),
    name: NAME,
    token: crypto.randomUUID(),
    mode: "exclusive",
    ttlMs: 60_000,
    instance,
    owner: instance,
    how: "wait",
    ticket: "",
    crowd: 100,
    wakesTtlMs,
  });
}

test("waiters whose instance is gone are passed over at once", async () => {
  const held = (await store.locks.acquire(request({ waitMs: 0 })))!;
  for (let n = 0; n < 50; n++) await enterAsGhost("ghost", 30);
  const waiting = store.locks.acquire(request());
  await queued(51);
  await eventually(async () => await commands.send(["EXISTS", lockWakes(keys, 0, "ghost")]) === 0, "the ghost is gone");
  await store.locks.release(NAME, held.token);
  // A ghost that was granted the lock would have it now, for two seconds.
  assert.equal((await store.locks.inspect(NAME)).holders.map(({ owner }) => owner), ["a"]);
  assert.ok((await waiting)!.fence > held.fence);
});

test("a waiter whose instance has just died holds the lock for the time it has to take it up, and no longer", async () => {
  const held = (await store.locks.acquire(request({ waitMs: 0 })))!;
  await enterAsGhost("dying", 60_000);
  const waiting = store.locks.acquire(request());
  await queued(2);
  // Both are sent at once: it holds for two seconds only.
  const released = store.locks.release(NAME, held.token);
  const [holder] = (await store.locks.inspect(NAME)).holders;
  assert.is(await released, true);
  assert.is(holder!.owner, "dying");
  assert.ok(holder!.remainingMs <= 2000);
  assert.ok((await waiting)!.fence > holder!.fence);
});

test("waiters who lose their place get it back, in the order in which they came", async () => {
  const held = (await store.locks.acquire(request({ waitMs: 0 })))!;
  const order: string[] = [];
  const waiting: Promise<void>[] = [];
  const wait = async (owner: string) => {
    const grant = (await store.locks.acquire(request({ owner })))!;
    order.push(owner);
    await store.locks.release(NAME, grant.token);
  };
  for (const owner of ["first", "second", "third"]) {
    waiting.push(wait(owner));
    await queued(waiting.length);
  }
  await commands.send(["DEL", lockKeys(keys, NAME).queue, lockWakes(keys, 0, store.replies.instance)]);
  await queued(3);
  assert.equal((await store.locks.inspect(NAME)).waiters.map(({ owner }) => owner), ["first", "second", "third"]);
  await store.locks.release(NAME, held.token);
  await Promise.all(waiting);
  assert.equal(order, ["first", "second", "third"]);
});

test("fences rise over a loss of all data, and who waits is granted the lock then", async () => {
  const grants: Grant[] = [(await store.locks.acquire(request({ waitMs: 0 })))!];
  for (let n = 0; n < 3; n++) {
    const waiting = store.locks.acquire(request());
    await queued(1);
    await removeKeys(url, prefix);
    grants.push((await waiting)!);
    assert.ok(grants.at(-1)!.fence > grants.at(-2)!.fence);
  }
  assert.is(await store.locks.renew(NAME, { token: grants[0]!.token, ttlMs: 1000 }), undefined);
});

test("fences rise though Redis's clock has been set back", async () => {
  const ahead = 1000 * (Date.now() + 3_600_000);
  await commands.send(["SET", lockKeys(keys, NAME).fence, String(ahead), "PX", "60000"]);
  const first = (await store.locks.acquire(request({ waitMs: 0 })))!;
  await store.locks.release(NAME, first.token);
  const second = (await store.locks.acquire(request({ waitMs: 0 })))!;
  assert.equal([first.fence, second.fence], [ahead + 1, ahead + 2]);
});

test("waiters outlive a lost link", async () => {
  const held = (await store.locks.acquire(request({ waitMs: 0 })))!;
  const waiting = store.locks.acquire(request());
  await queued(1);
  // Its own links only: others use this Redis too.
  const links = (await commands.send<string>(["CLIENT", "LIST"])).split("\n").filter((line) =>
    line.includes(` name=millrace:${store.replies.instance}:`)
  );
  assert.ok(links.length > 1);
  for (const [, id] of links.map((line) => /^id=(\d+)/.exec(line)!)) await commands.send(["CLIENT", "KILL", "ID", id!]);
  await eventually(async () => await store.locks.release(NAME, held.token).catch(() => false), "the release");
  assert.ok((await waiting)!.fence > held.fence);
});

test("what was done under a lock counts though Redis is away at its release, which is left to the end of the lease", async () => {
  await using proxy = await startProxy(Number(new URL(url).port));
  await using behind = await openRedisStore({ url: proxy.url, prefix, instance: `behind-${prefix}` });
  const told: unknown[] = [];
  const locks = new Locks({ store: behind.locks, clientId: "behind", onError: (error) => told.push(error) });
  const away = () => {
    proxy.newLinks("refused");
    proxy.cut();
  };
  const back = async () => {
    proxy.newLinks("work");
    await eventually(() => behind.ready().ready, "Redis is back");
  };
  const thrown = (work: Promise<unknown>) => work.then(() => undefined, (error) => error);
  const options = { ttlMs: 60_000, waitMs: 60_000, signal: new AbortController().signal };
  const runLocked = createRunLocked(locks);
  const refused = new TerminalError("refused", "It was refused");
  const waysOf = (work: () => Promise<string>) => [
    () => locks.request(crypto.randomUUID(), options, work),
    () => runLocked(crypto.randomUUID(), options, work),
  ];
  for (const way of waysOf(() => (away(), Promise.resolve("done")))) {
    assert.is(await way(), "done");
    await back();
  }
  for (const way of waysOf(() => (away(), Promise.reject(refused)))) {
    assert.is(await thrown(way()), refused);
    await back();
  }
  assert.is(told.length, 4);
  for (const error of told) assert.instance(error, UnavailableError);
  // Who releases a lock by hand is told.
  const lock = await locks.acquire(NAME, options);
  away();
  assert.instance(await thrown(lock.release()), UnavailableError);
  await back();
  assert.is((await store.locks.inspect(NAME)).holders.length, 1);
  assert.is(told.length, 4);
});

test("nothing of a lock stays without a time to live", async () => {
  for (const mode of ["exclusive", "shared"] as const) {
    const { token } = (await store.locks.acquire(request({ mode, waitMs: 0 })))!;
    const controller = new AbortController();
    const waiting = store.locks.acquire(request(), { signal: controller.signal }).catch(() => {});
    await queued(1);
    const index = lockIndex(keys, 0);
    for (const name of await commands.send<string[]>(["KEYS", `${prefix}{0}:lock*`])) {
      if (name !== index) assert.ok(await commands.send<number>(["PTTL", name]) > 0, name);
    }
    controller.abort();
    await waiting;
    await store.locks.release(NAME, token);
    assert.is(await commands.send(["EXISTS", index, ...Object.values(lockKeys(keys, NAME)).slice(0, 4)]), 0);
  }
});

test.run();
