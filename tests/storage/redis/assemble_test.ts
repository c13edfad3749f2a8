/**
 * The script that applies a batch of the feed: it counts each end once, whoever takes it, by few commands.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startRedis } from "../../../scripts/redis.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { ASSEMBLE, assemble, type EndedEntry } from "../../../src/storage/redis/scripts/assemble.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { watchScripts } from "../../support/script_commands.ts";

const keys = new Keys({ prefix: "t-assemble:" });
const feed = keys.feed(0);
const GROUP = "assembler";
const redis = await startRedis({ json: false });
const commands = await RedisConnection.open({ url: redis.url });

test.before.each(async () => {
  await commands.send(["FLUSHALL"]);
  await commands.send(["XGROUP", "CREATE", feed, GROUP, "0", "MKSTREAM"]);
});
test.after(async () => {
  commands.close();
  await redis.stop();
});

/** Adds a feed entry a name, and hands them all to a consumer. */
async function handed(names: readonly string[], consumer: string): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) ids.push(await commands.send<string>(["XADD", feed, "*", "execution", name]));
  await commands.send(["XREADGROUP", "GROUP", GROUP, consumer, "STREAMS", feed, ">"]);
  return ids;
}

interface Ended extends EndedEntry {
  readonly status: string;
}

function ended(id: string, executionId: string, status = "completed"): Ended {
  return { id, executionId, keptUntil: 1, counted: "10 3", status };
}

function apply(consumer: string, entries: readonly Ended[], entryIds: readonly string[] = []): Promise<number> {
  return assemble(commands, {
    keys: {
      feed,
      all: keys.index(0, "all"),
      active: keys.index(0, "status:active"),
      pending: keys.index(0, "status:pending"),
      expiry: keys.expiry(0),
      expiryBefore: keys.expiryBefore(0),
    },
    group: GROUP,
    consumer,
    dailyTtlSeconds: 100_000,
    base: keys.base(0),
    expiresSooner: false,
    entryIds,
    active: new Map(),
    ended: [...new Set(entries.map(({ status }) => status))].map((status) => ({
      keys: {
        workflow: keys.index(0, "workflow:orders"),
        status: keys.index(0, `status:${status}`),
        daily: keys.daily(0, "2026-11-26"),
      },
      workflowId: "orders",
      status,
      day: "2026-11-26",
      entries: entries.filter((entry) => entry.status === status),
    })),
  });
}

async function counted(): Promise<Record<string, string>> {
  const words = await commands.send<string[]>(["HGETALL", keys.daily(0, "2026-11-26")]);
  return Object.fromEntries(Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i]!, words[2 * i + 1]!]));
}

test("assemble() counts an end once: applied again, by another, or twice in a batch", async () => {
  const [a, b, c, d] = await handed(["a", "b", "c", "d"], "one") as [string, string, string, string];
  const first = [ended(a, "a"), ended(b, "b", "failed")];
  assert.is(await apply("one", first), 2);
  assert.is(await apply("one", first), 0);
  assert.is(await apply("one", [ended(a, "a"), ended(c, "c"), ended(c, "c")]), 1);
  // Another assembler has been given it meanwhile; who acknowledges first, counts.
  await commands.send(["XCLAIM", feed, GROUP, "two", "0", d]);
  assert.is(await apply("one", [ended(d, "d")]), 1);
  assert.is(await apply("two", [ended(d, "d")]), 0);
  assert.equal(await counted(), {
    "orders 3": "4",
    "orders completed": "3",
    "orders durationMs": "40",
    "orders failed": "1",
  });
  const ttl = await commands.send<number>(["TTL", keys.daily(0, "2026-11-26")]);
  assert.ok(ttl > 99_000 && ttl <= 100_000, `it lives for ${ttl} s`);
  assert.equal((await commands.send<[number]>(["XPENDING", feed, GROUP]))[0], 0);
});

test("assemble() counts nothing when the group is gone", async () => {
  const [a] = await handed(["a"], "one") as [string];
  await commands.send(["XGROUP", "DESTROY", feed, GROUP]);
  assert.is(await apply("one", [ended(a, "a")]), 0);
  assert.equal(await counted(), {});
});

test("assemble() takes a batch of any size, by a command a key", async () => {
  const names = Array.from({ length: 3000 }, (_, i) => `e${i}`);
  const ids = await handed(names, "one");
  const entries = ids.map((id, i) => ended(id, names[i]!));
  const scripts = await watchScripts(redis.url, { assemble: ASSEMBLE });
  assert.is(await apply("one", entries.slice(0, 100)), 100);
  assert.ok((await scripts.counts()).assemble! <= 15);
  assert.is(await apply("one", entries.slice(100)), 2900);
  scripts.stop();
  assert.is(await commands.send(["ZCARD", keys.index(0, "all")]), 3000);
  assert.is(await commands.send(["ZCARD", keys.expiry(0)]), 3000);
  assert.equal(await counted(), { "orders 3": "3000", "orders completed": "3000", "orders durationMs": "30000" });
});

test.run();
