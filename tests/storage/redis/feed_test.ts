/**
 * The feed's group after losses: of the group, of the stream, of a link, of a consumer; and the feed's bounds.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startRedis } from "../../../scripts/redis.ts";
import { encodeFeedCursor } from "../../../src/feed/feed_cursor.ts";
import { followFeed } from "../../../src/storage/redis/feed_follow.ts";
import { FeedReader } from "../../../src/storage/redis/feed_reader.ts";
import { boundFeeds, trimFeed } from "../../../src/storage/redis/feed_trim.ts";
import type { FeedEntry } from "../../../src/feed/projections.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { forgetConsumers } from "../../../src/storage/redis/streams/consumer_group.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { StreamReader } from "../../../src/storage/redis/streams/stream_reader.ts";
import { Subscriptions } from "../../../src/storage/redis/streams/subscriptions.ts";
import { eventually, WAIT_LIMIT_MS } from "../../support/eventually.ts";

const keys = new Keys({ prefix: "t-feed:", partitions: 2 });
const feed = keys.feed(0);
const GROUP = "assembler";
const signal = new AbortController().signal;
// Its own: FLUSHALL is among what is done to it.
const redis = await startRedis({ json: false });
let commands: RedisConnection;
let blocked: RedisConnection;
let reader: FeedReader;

test.before.each(async () => {
  commands = await RedisConnection.open({ url: redis.url });
  reader = openReader("a");
});
test.after.each(async () => {
  await reader.close();
  await commands.send(["FLUSHALL"]);
  commands.close();
});
test.after(() => redis.stop());

function openReader(instance: string): FeedReader {
  return new FeedReader({
    keys,
    commands,
    instance,
    group: GROUP,
    openBlocked: async () => blocked = await RedisConnection.open({ url: redis.url }),
  });
}

function add(execution: string, id = "*", partition = 0): Promise<string> {
  return commands.send<string>(["XADD", keys.feed(partition), id, "execution", execution]);
}

/** Takes until so many came, and acknowledges them unless told otherwise. */
async function take(count: number, { from = reader, acknowledge = true } = {}): Promise<string[]> {
  const taken: FeedEntry[] = [];
  await eventually(async () => {
    const entries = await from.take({ count: 100, blockMs: 300, signal });
    taken.push(...entries);
    if (acknowledge) { for (const { id, partition } of entries) await ack(id, partition); }
    return taken.length >= count;
  }, `${count} entries`);
  return taken.map(({ executionId }) => executionId);
}

/** What is there now, acknowledged. */
async function takeOnce(): Promise<string[]> {
  const entries = await reader.take({ count: 100, blockMs: 50, signal });
  for (const { id, partition } of entries) await ack(id, partition);
  return entries.map(({ executionId }) => executionId);
}

async function ack(id: string, partition = 0): Promise<void> {
  await commands.send(["XACK", keys.feed(partition), GROUP, id]);
}

test("take() makes a group that was destroyed while it was blocked again", async () => {
  await add("one");
  assert.equal(await take(1), ["one"]);
  const taking = reader.take({ count: 10, blockMs: 5000, signal });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await commands.send(["XGROUP", "DESTROY", feed, GROUP]);
  assert.equal(await taking, []);
  await add("two");
  assert.equal(await take(2), ["one", "two"]);
});

test("take() goes on after FLUSHALL, blocked or not", async () => {
  await add("one");
  assert.equal(await take(1), ["one"]);
  const taking = reader.take({ count: 10, blockMs: 5000, signal });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await commands.send(["FLUSHALL"]);
  await add("two");
  const rest = await taking;
  for (const { id } of rest) await ack(id);
  if (rest.length === 0) assert.equal(await take(1), ["two"]);
  await commands.send(["FLUSHALL"]);
  await add("three", "*", 1);
  assert.equal(await take(1), ["three"]);
});

test("take() reads what is pending again after a new link, and once more when the old one's block is over", async () => {
  await add("one");
  assert.equal(await take(1, { acknowledge: false }), ["one"]);
  assert.equal(await reader.take({ count: 10, blockMs: 50, signal }), []);
  blocked.reset();
  assert.equal(await take(1), ["one"]);
  await eventually(async () => {
    // Where this process stands still, the old one's block may be over before "two" is handed out: then with a new link.
    blocked.reset();
    await blocked.whenReady({ timeoutMs: WAIT_LIMIT_MS });
    while ((await takeOnce()).length > 0) continue;
    // What a link that Redis still takes to be alive is handed meanwhile.
    await add("two");
    await commands.send(["XREADGROUP", "GROUP", GROUP, "a", "STREAMS", feed, ">"]);
    const until = performance.now() + 3000;
    while (performance.now() < until) if ((await takeOnce()).includes("two")) return true;
    return false;
  }, "two, read once more");
});

test("take() reads a batch again that could not be applied", async () => {
  await add("one");
  assert.equal(await take(1, { acknowledge: false }), ["one"]);
  reader.again();
  assert.equal(await take(1), ["one"]);
  assert.equal(await reader.take({ count: 10, blockMs: 50, signal }), []);
});

test("take() waits while Redis is away, and goes on when it is back", async () => {
  await add("one");
  await take(1);
  const proxied = blocked;
  const taking = reader.take({ count: 10, blockMs: 5000, signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  proxied.reset();
  await taking.catch(() => {});
  await add("two");
  assert.equal(await take(1), ["two"]);
});

test("pending entries that were trimmed away are acknowledged", async () => {
  // More than XAUTOCLAIM, which does the same, looks at in one go.
  for (let i = 0; i < 50; i++) await add(`e${i}`);
  await take(50, { acknowledge: false });
  await commands.send(["XTRIM", feed, "MAXLEN", "1"]);
  reader.again();
  const [left] = await reader.take({ count: 1, blockMs: 50, signal });
  assert.is(left?.executionId, "e49");
  assert.is((await commands.send<[number]>(["XPENDING", feed, GROUP]))[0], 1);
});

test("trimFeed() keeps what the slowest group has not acknowledged, boundFeeds() does not", async () => {
  const old = Date.now() - 7_200_000;
  for (let i = 0; i < 500; i++) await add(`e${i}`, `${old + i}-0`);
  await take(500);
  const options = { keys, commands, clock: Date };
  const length = () => commands.send<number>(["XLEN", feed]);
  await commands.send(["XGROUP", "CREATE", feed, "slow", "0"]);
  await commands.send(["XREADGROUP", "GROUP", "slow", "x", "COUNT", "150", "STREAMS", feed, ">"]);
  await trimFeed(options, 0);
  assert.is(await length(), 500);
  for (let i = 0; i < 150; i++) await commands.send(["XACK", feed, "slow", `${old + i}-0`]);
  await trimFeed(options, 0);
  assert.is(await length(), 400);
  await boundFeeds(options, { mostEntries: 200, mostMs: 10_800_000 });
  assert.is(await length(), 200);
  await add("new");
  await boundFeeds(options);
  assert.ok(await length() <= 101);
});

test("forgetConsumers() forgets those that are idle and have nothing pending", async () => {
  await add("one");
  await take(1, { acknowledge: false });
  const other = openReader("b");
  await other.take({ count: 1, blockMs: 1, signal });
  await other.close();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.is(await forgetConsumers(commands, feed, { group: GROUP }), 0);
  assert.is(await forgetConsumers(commands, feed, { group: GROUP, idleMs: 50 }), 1);
  const left = await commands.send<string[][]>(["XINFO", "CONSUMERS", feed, GROUP]);
  assert.equal(left.map(([, name]) => name), ["a"]);
  assert.is(await forgetConsumers(commands, "t-feed:none", { group: GROUP }), 0);
});

test("followFeed() says where entries may be missing", async () => {
  const link = await RedisConnection.open({ url: redis.url });
  const streams = new StreamReader({ blocked: link, commands });
  const stop = new AbortController();
  const heard: string[] = [];
  const last = encodeFeedCursor([await add("one"), "0-0"]);
  const follow = async (after?: string) => {
    const subscriptions = new Subscriptions(streams, { limit: 10 });
    const options = { signal: stop.signal, ...(after === undefined ? {} : { after }) };
    for await (const entry of followFeed({ keys, commands, subscriptions }, options)) {
      heard.push("mark" in entry ? entry.mark : entry.executionId);
    }
  };
  const following = follow(last);
  try {
    await eventually(() => streams.size === 2, "followed");
    await add("two");
    await eventually(() => heard.length === 1, "two");
    await commands.send(["FLUSHALL"]);
    link.reset();
    await eventually(() => heard.includes("gap"), "the gap");
    await add("three", "*", 1);
    await eventually(() => heard.includes("three"), "three");
    assert.is(heard[0], "two");
  } finally {
    stop.abort();
    await following;
    await streams.stop();
    link.close();
  }
  heard.length = 0;
  const first = followFeed({ keys, commands, subscriptions: undefined as never }, {
    signal,
    after: "99999999999999-0",
  });
  assert.equal((await first[Symbol.asyncIterator]().next()).value, { mark: "gap", after: "99999999999999-0" });
});

test.run();
