// not quick: Redis refuses to write
// timeout: 300
/**
 * A Redis that answers, and refuses: readiness tells why, and work goes on as soon as it does its part again.
 */
import { rm } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../../src/lib/errors.ts";
import { pause } from "../../../src/lib/delay.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { checkServer } from "../../../src/storage/redis/connection/server_check.ts";
import { eventually } from "../../support/eventually.ts";
import { harmfulTest, startFaultyRedis } from "../../support/faulty_redis.ts";
import { uniquePrefix } from "../../support/redis.ts";
import { openRig } from "./rig.ts";

const faulty = await harmfulTest(test);

faulty("a full Redis makes it unusable, over the same link, until there is room", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  const { id } = rig.commands;
  await rig.commands.send(["CONFIG", "SET", "maxmemory", "1"]);
  await eventually(() => !rig.probe.usable, "unusable");
  assert.match(rig.probe.reason!, /^Redis refuses writes: OOM [^\n]+$/);
  await assertUnavailable(rig.commands.send(["SET", "x", "1"]), /OOM/);
  await rig.commands.send(["CONFIG", "SET", "maxmemory", "0"]);
  const from = performance.now();
  await eventually(() => rig.probe.usable, "usable");
  report("OOM", performance.now() - from);
  assert.is(rig.commands.id, id);
  await rig.flow();
});

faulty("a Redis that cannot save makes it unusable until it can", async () => {
  await using redis = await startFaultyRedis(["--save", "3600 1"]);
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  const { id } = rig.commands;
  const [, dir = ""] = await rig.commands.send<string[]>(["CONFIG", "GET", "dir"]);
  await rm(dir, { recursive: true });
  await rig.commands.send(["BGSAVE"]);
  await eventually(() => !rig.probe.usable, "unusable");
  assert.match(rig.probe.reason!, /^Redis refuses writes: MISCONF [^\n]+$/);
  await assertUnavailable(rig.commands.send(["SET", "x", "1"]), /MISCONF/);
  await rig.commands.send(["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
  await eventually(() => rig.probe.usable, "usable");
  assert.is(rig.commands.id, id);
});

faulty("a replica is left for another link, about once a second, until it takes writes", async () => {
  await using redis = await startFaultyRedis();
  await using rig = await openRig(redis.url, uniquePrefix());
  await rig.flow();
  await using control = await openControl(redis.url);
  await control.send(["REPLICAOF", "127.0.0.1", "1"]);
  await eventually(() => !rig.probe.usable, "unusable");
  await eventually(() => rig.probe.reason?.includes("READONLY"), "the reason");
  assert.match(rig.probe.reason!, /^Redis refuses writes: READONLY [^\n]+$/);
  await pause(1500);
  const first = await connectionsMade(control);
  const from = performance.now();
  await pause(4000);
  // The commands' and the group's connection write; the third only reads.
  await eventually(async () => await connectionsMade(control) - first >= 4, "four attempts");
  const made = await connectionsMade(control) - first;
  const seconds = (performance.now() - from) / 1000;
  assert.ok(made <= 14 * seconds / 4, `${made} links in ${seconds} s`);
  assert.is(rig.probe.usable, false);
  await eventually(() => rig.blocked.ready, "a link to read over");
  const stale = rig.blocked.id;
  await control.send(["REPLICAOF", "NO", "ONE"]);
  const times = await rig.flow();
  report("READONLY", times);
  // It only reads, which a replica lets it: it must follow the writes to another server all the same.
  await eventually(() => rig.blocked.ready && rig.blocked.id !== stale, "a new link to read over");
});

faulty("a Redis that loads its data is not ready until it has", async () => {
  await using redis = await startFaultyRedis(["--appendonly", "yes", "--appendfsync", "no"]);
  const connection = await RedisConnection.open({ url: redis.url });
  try {
    for (let i = 0; i < 20_000; i++) void connection.send(["SET", `key${i}`, "x"]).catch(() => {});
    await connection.send(["PING"]);
    redis.kill();
    await eventually(() => !connection.ready, "away");
    const restarted = redis.restart(["--key-load-delay", "200"]);
    await eventually(() => String(connection.lastError).includes("LOADING"), "loading");
    assert.is(connection.ready, false);
    await restarted;
    assert.ok(await connection.whenReady({ timeoutMs: 60_000 }));
    assert.is(await connection.send(["DBSIZE"]), 20_000);
  } finally {
    connection.close();
  }
});

faulty("checkServer() refuses an evicting maxmemory-policy and an old server, and asks no CONFIG", async () => {
  await using redis = await startFaultyRedis();
  await using control = await openControl(redis.url);
  await checkServer(control);
  await control.send(["ACL", "SETUSER", "default", "-config"]);
  await checkServer(control);
  await control.send(["ACL", "SETUSER", "default", "+config"]);
  await control.send(["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
  assert.is(
    await messageOf(checkServer(control)),
    "its maxmemory-policy is allkeys-lru, which drops data under memory pressure: set it to noeviction",
  );
  await control.send(["ACL", "SETUSER", "default", "-info"]);
  await checkServer(control);
  const reporting = (info: string) => ({ send: () => Promise.resolve(info) }) as unknown as RedisConnection;
  assert.is(
    await messageOf(checkServer(reporting("# Server\r\nredis_version:6.2.14\r\n"))),
    "its version is 6.2.14, and 7.0 is the oldest that will do",
  );
  await checkServer(reporting("# Server\r\nserver_name:other\r\n"));
  await checkServer(reporting("redis_version:10.0.0\r\nmaxmemory_policy:noeviction\r\n"));
});

async function openControl(url: string) {
  const connection = await RedisConnection.open({ url });
  return Object.assign(connection, { [Symbol.asyncDispose]: () => Promise.resolve(connection.close()) });
}

async function connectionsMade(control: RedisConnection): Promise<number> {
  const info = await control.send<string>(["INFO", "stats"]);
  return Number(/^total_connections_received:(\d+)/m.exec(info)![1]);
}

async function assertUnavailable(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.instance(error, UnavailableError);
  assert.match(error.message, message);
}

function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "nothing was thrown", (error) => error.message);
}

function report(what: string, times: unknown): void {
  if (process.env.SHOW_TIMES) console.log(what, times);
}

test.run();
