// timeout: 180
// serial
/**
 * Work flows again after any single fault of Redis, or of the links to it. `SHOW_TIMES=1` prints how soon.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../src/errors.ts";
import { pause } from "../../src/pause.ts";
import { harmfulTest, startFaultyRedis } from "../support/faulty_redis.ts";
import { uniquePrefix } from "../support/redis.ts";
import { startProxy } from "../support/tcp_proxy.ts";
import { openRig, type Rig } from "./rig.ts";

/** What the promise is (3 s), and what a test on a busy machine may take. */
const BOUND_MS = 10_000;

const faulty = await harmfulTest(test);

async function flowsAgain(rig: Rig, what: string): Promise<void> {
  const times = await rig.flow();
  if (process.env.SHOW_TIMES) console.log(what, times);
  for (const [part, ms] of Object.entries(times)) assert.ok(ms < BOUND_MS, `${what}: ${part} took ${ms} ms`);
  assert.is(rig.probe.reason, undefined);
}

faulty("work flows again when Redis was killed and started again", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  redis.kill();
  await pause(3000);
  await assertAway(rig);
  assert.match(rig.probe.reason!, /^Redis is away: .*ECONNREFUSED/);
  await redis.restart();
  await flowsAgain(rig, "kill -9");
});

faulty("work flows again when Redis was stopped, for however long", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  for (const forMs of [300, 3000, 8000]) {
    redis.freeze();
    const sent = performance.now();
    const inFlight = rig.commands.send(["SET", "x", "1"]).then(() => undefined, (error) => error);
    await pause(forMs);
    if (forMs >= 3000) {
      await assertAway(rig);
      assert.ok(await inFlight instanceof UnavailableError);
    }
    redis.thaw();
    await inFlight;
    assert.ok(performance.now() - sent < forMs + 3000);
    await flowsAgain(rig, `SIGSTOP for ${forMs} ms`);
  }
});

faulty("an outage leaves nothing behind: neither links nor listeners nor errors without end", async () => {
  await using redis = await startFaultyRedis();
  await using proxy = await startProxy(redis.port);
  await using rig = await openRig(proxy.url, uniquePrefix());
  await rig.flow();
  const before = { open: proxy.open, listeners: process.listenerCount("unhandledRejection"), ...handles() };
  for (const what of ["silent", "refused"] as const) {
    proxy.newLinks(what);
    const { accepted } = proxy;
    rig.errors.length = 0;
    proxy.cut();
    await pause(8000);
    // Three connections, each at most one link at once and about one a second.
    assert.ok(proxy.open <= 3, `${proxy.open} links are open`);
    const made = proxy.accepted - accepted;
    assert.ok(made >= 6 && made <= 60, `${made} links were made`);
    assert.ok(rig.errors.length <= 15, `${rig.errors.length} errors were told`);
  }
  proxy.newLinks("work");
  await flowsAgain(rig, "black hole, then refused links");
  assert.is(proxy.open, before.open);
  const after = handles();
  assert.ok(after.timers <= before.timers + 2, JSON.stringify({ before, after }));
});

test("work flows again when links were cut, silenced or slow", async () => {
  await using redis = await startFaultyRedis();
  await using proxy = await startProxy(redis.port);
  await using rig = await openRig(proxy.url, uniquePrefix());
  await rig.flow();
  for (let i = 0; i < 3; i++) {
    proxy.cut();
    await flowsAgain(rig, "links cut");
    await pause(300 * i);
    // The fault's end is its beginning: new links work.
    proxy.silence();
    await flowsAgain(rig, "half-open");
    await pause(300 * i);
  }
  const { accepted } = proxy;
  proxy.delay(200);
  await pause(3000);
  assert.is(proxy.accepted, accepted, "a slow link is not a dead one");
  assert.ok(rig.probe.usable);
  proxy.delay(2000);
  await pause(6000);
  proxy.delay(0);
  await flowsAgain(rig, "slow links");
});

test("a process that was stopped itself does not take Redis for dead", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  const { id } = rig.commands;
  const blockedId = rig.blocked.id;
  // As SIGSTOP does: nothing of this process runs, and the answers wait in its sockets.
  const answer = rig.commands.send(["SET", "x", "1"]);
  await pause(50);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6000);
  assert.is(await answer, "OK");
  assert.ok(rig.probe.usable);
  await pause(1000);
  assert.equal([rig.commands.id, rig.blocked.id], [id, blockedId]);
  assert.equal(rig.errors, []);
});

async function assertAway(rig: Rig): Promise<void> {
  assert.is(rig.probe.usable, false);
  const started = performance.now();
  const error = await rig.commands.send(["SET", "x", "1"]).then(() => undefined, (error) => error);
  assert.instance(error, UnavailableError);
  assert.is(error.options.headers["retry-after"], "1");
  assert.ok(performance.now() - started < 50);
}

function handles(): { timers: number } {
  return { timers: process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length };
}

test.run();
