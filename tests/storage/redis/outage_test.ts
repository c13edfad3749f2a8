// not quick: Redis goes away and comes back
// timeout: 300
/**
 * Work flows again after any single fault of Redis, or of the links to it. `SHOW_TIMES=1` prints how soon.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../../src/lib/errors.ts";
import { pause } from "../../../src/lib/delay.ts";
import { eventually } from "../../support/eventually.ts";
import { harmfulTest, startFaultyRedis } from "../../support/faulty_redis.ts";
import { uniquePrefix } from "../../support/redis.ts";
import { startProxy } from "../../support/tcp_proxy.ts";
import { openRig, type Rig } from "./rig.ts";

const faulty = await harmfulTest(test);

async function flowsAgain(rig: Rig, what: string): Promise<void> {
  const times = await rig.flow();
  if (process.env.SHOW_TIMES) console.log(what, times);
  await eventually(() => rig.probe.reason === undefined, `the probe is well after: ${what}`);
}

faulty("work flows again when Redis was killed and started again", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  redis.kill();
  await pause(3000);
  await assertAway(rig);
  await eventually(() => /^Redis is away: .*ECONNREFUSED/.test(rig.probe.reason ?? ""), "the reason");
  await redis.restart();
  await flowsAgain(rig, "kill -9");
});

faulty("work flows again when Redis was stopped, for however long", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  for (const forMs of [300, 3000, 8000]) {
    redis.freeze();
    const inFlight = rig.commands.send(["SET", "x", "1"]).then(() => undefined, (error) => error);
    await pause(forMs);
    if (forMs >= 3000) {
      await assertAway(rig);
      assert.ok(await inFlight instanceof UnavailableError);
    }
    redis.thaw();
    await inFlight;
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
    const from = performance.now();
    proxy.cut();
    await pause(8000);
    // Three connections, each at most one link at once and about one a second.
    assert.ok(proxy.open <= 3, `${proxy.open} links are open`);
    await eventually(() => proxy.accepted - accepted >= 6, "six attempts");
    const made = proxy.accepted - accepted;
    const seconds = (performance.now() - from) / 1000;
    assert.ok(made <= 60 * seconds / 8, `${made} links were made in ${seconds} s`);
    assert.ok(rig.errors.length <= 15 * seconds / 8, `${rig.errors.length} errors were told in ${seconds} s`);
  }
  proxy.newLinks("work");
  await flowsAgain(rig, "black hole, then refused links");
  await eventually(() => proxy.open === before.open, `as many links as ${before.open}`);
  await eventually(() => handles().timers <= before.timers + 2, `no more timers than ${before.timers}`);
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
  proxy.delay(200);
  await eventually(async () => {
    const { accepted } = proxy;
    await pause(3000);
    // On a machine that stalls, a link may be silent for too long now and then.
    return proxy.accepted === accepted && rig.probe.usable;
  }, "a slow link is not a dead one");
  proxy.delay(2000);
  await pause(6000);
  proxy.delay(0);
  await flowsAgain(rig, "slow links");
});

test("a process that was stopped itself does not take Redis for dead", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  await eventually(async () => {
    const ids = [rig.commands.id, rig.blocked.id];
    rig.errors.length = 0;
    // As SIGSTOP does: nothing of this process runs, and the answers wait in its sockets.
    const answer = rig.commands.send(["SET", "x", "1"]);
    await pause(50);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6000);
    assert.is(await answer, "OK");
    assert.ok(rig.probe.usable);
    await pause(1000);
    // Redis may stand still too, on a machine that stalls: then once more.
    return rig.errors.length === 0 && [rig.commands.id, rig.blocked.id].join() === ids.join();
  }, "links that stay, without an error");
});

async function assertAway(rig: Rig): Promise<void> {
  await eventually(() => !rig.probe.usable && !rig.commands.ready, "away");
  const refused = rig.commands.send(["SET", "x", "1"]).then(() => undefined, (error) => error);
  const error = await Promise.race([refused, new Promise((resolve) => setImmediate(resolve, "not at once"))]);
  assert.instance(error, UnavailableError);
  assert.is((error as UnavailableError).options.headers!["retry-after"], "1");
}

function handles(): { timers: number } {
  return { timers: process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length };
}

test.run();
