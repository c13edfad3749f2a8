/**
 * What archivers miss because the feed has bounds.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RedisArchiveFeed } from "../../../src/storage/redis/archive_feed.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { feedMissed } from "../../../src/storage/redis/feed_keys.ts";
import { boundFeeds, HISTORY } from "../../../src/storage/redis/feed_trim.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const keys = new Keys({ prefix });
const feed = keys.feed(0);
const { signal } = new AbortController();
let commands: RedisConnection;

test.before.each(async () => {
  commands = await RedisConnection.open({ url });
});
test.after.each(async () => {
  commands.close();
  await removeKeys(url, prefix);
});

function add(execution: string, id = "*"): Promise<string> {
  return commands.send<string>(["XADD", feed, id, "execution", execution]);
}

test("boundFeeds() counts what archivers miss, and nothing that they had", async () => {
  const [now, hour] = [Date.now(), 3_600_000];
  const options = { keys, commands, clock: { now: () => now } };
  const missed = async () => Number(await commands.send<string | null>(["GET", feedMissed(keys, 0)]) ?? 0);
  const handOut = (count: number) =>
    commands.send(["XREADGROUP", "GROUP", HISTORY, "x", "COUNT", String(count), "STREAMS", feed, ">"]);
  // There are no archivers: nobody misses anything.
  for (let i = 0; i < 200; i++) await add(`e${i}`, `${now - 3 * hour + i}-0`);
  await boundFeeds(options);
  assert.is(await commands.send(["XLEN", feed]), 0);
  assert.is(await missed(), 0);
  // Of 300 that are too old they had 130.
  for (let i = 0; i < 300; i++) await add(`e${i}`, `${now - 2 * hour + i}-0`);
  for (let i = 0; i < 250; i++) await add(`n${i}`, `${now - 1000 + i}-0`);
  await commands.send(["XGROUP", "CREATE", feed, HISTORY, "0"]);
  await handOut(130);
  await boundFeeds(options);
  const left = await commands.send<number>(["XLEN", feed]);
  assert.ok(left >= 250 && left < 350, String(left));
  assert.is(await missed(), 550 - 130 - left);
  const before = await missed();
  // They are handed all but 100 of what is left; by length more than that goes.
  await handOut(left - 100);
  await boundFeeds(options, { mostEntries: 150 });
  assert.is(await missed(), before);
  await boundFeeds(options, { mostEntries: 0 });
  const rest = await commands.send<number>(["XLEN", feed]);
  assert.is(await missed() - before, 100 - rest);
  await boundFeeds(options, { mostEntries: 0 });
  assert.is(await missed() - before, 100 - rest);
});

test("hold() counts what archivers miss before the first of them reads, and says how old the oldest is", async () => {
  const [now, hour] = [Date.now(), 3_600_000];
  const clock = { now: () => now };
  const archive = new RedisArchiveFeed({
    ...{ keys, commands, clock, instance: "h", historyTtlSeconds: 60 },
    openBlocked: () => RedisConnection.open({ url }),
  });
  await archive.hold();
  await add("long ago", `${now - 3 * hour}-0`);
  for (let i = 0; i < 250; i++) await add(`e${i}`, `${now - 2 * hour}-${i}`);
  assert.is((await archive.backlog()).oldestMs, 3 * hour);
  await boundFeeds({ keys, commands, clock }, { mostEntries: 0 });
  const { entries, missed } = await archive.backlog();
  assert.ok(entries < 150);
  assert.is(entries + missed, 251);
});

test("the archivers' reader counts what it was handed and finds trimmed away", async () => {
  const archive = new RedisArchiveFeed({
    ...{ keys, commands, clock: Date, instance: "h", historyTtlSeconds: 60 },
    openBlocked: () => RedisConnection.open({ url }),
  });
  try {
    for (let i = 0; i < 50; i++) await add(`e${i}`);
    const taken = [];
    while (taken.length < 50) taken.push(...await archive.take({ count: 50, blockMs: 5000, signal }));
    await commands.send(["XTRIM", feed, "MAXLEN", "10"]);
    archive.again();
    const again = await archive.take({ count: 50, blockMs: 50, signal });
    assert.is(again.length, 10);
    assert.is((await archive.backlog()).missed, 40);
  } finally {
    await archive.close();
  }
});

test.run();
