// timeout: 180
/**
 * The feed of several partitions, followed by readers that go and come back: nothing lost, nothing twice.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { followFeed } from "../../../src/storage/redis/feed_follow.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { StreamReader } from "../../../src/storage/redis/streams/stream_reader.ts";
import { Subscriptions } from "../../../src/storage/redis/streams/subscriptions.ts";
import { eventually, WAIT_LIMIT_MS } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
const PARTITIONS = 3;

/** What happens: entries are appended to these partitions, or the reader goes after so many more entries. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ append: fc.array(fc.nat(PARTITIONS - 1), { minLength: 1, maxLength: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ leaveAfter: fc.nat(5) }) },
);

test("a reader that resumes by the cursor it was given last gets every entry once, in each partition's order", async () => {
  const link = await RedisConnection.open({ url });
  const commands = await RedisConnection.open({ url });
  const streams = new StreamReader({ blocked: link, commands });
  const prefixes: string[] = [];
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const prefix = uniquePrefix();
        prefixes.push(prefix);
        const keys = new Keys({ prefix, partitions: PARTITIONS });
        const subscriptions = new Subscriptions(streams, { limit: 10 });
        const added: string[][] = [[], [], []];
        const got: string[][] = [[], [], []];
        let [total, heard] = [0, 0];
        let cursor: string | undefined = "0-0";
        const append = async (partition: number) => {
          const words = ["execution", `${total++}`, "workflow", "w", "version", "1", "first", "1-0", "last", "1-0"];
          added[partition]!.push(await commands.send<string>(["XADD", keys.feed(partition), "*", ...words]));
        };
        /** Reads until it has heard of so many entries, and goes. */
        const read = async (until: number) => {
          if (heard >= until) return;
          const stop = new AbortController();
          const options = { signal: stop.signal, after: cursor! };
          const over = setTimeout(() => stop.abort(), WAIT_LIMIT_MS);
          for await (const entry of followFeed({ keys, commands, subscriptions }, options)) {
            if ("mark" in entry) throw new Error(`It says ${entry.mark}`);
            got[entry.partition]!.push(entry.id);
            cursor = entry.cursor;
            if (++heard === until) stop.abort();
          }
          clearTimeout(over);
          assert.is(heard, until);
        };
        for (const it of steps) {
          if ("append" in it) { for (const partition of it.append) await append(partition); }
          else await read(Math.min(total, heard + it.leaveAfter));
        }
        await append(0);
        await read(total);
        assert.equal(got, added);
        await eventually(() => streams.size === 0, "nobody follows any more");
      }),
      { numRuns: 25 },
    );
  } finally {
    await streams.stop();
    for (const connection of [link, commands]) connection.close();
    for (const prefix of prefixes) await removeKeys(url, prefix);
  }
});

test("an entry id alone says where one partition is: of several, a gap is told of", async () => {
  const prefix = uniquePrefix();
  const link = await RedisConnection.open({ url });
  const commands = await RedisConnection.open({ url });
  const streams = new StreamReader({ blocked: link, commands });
  try {
    for (const [partitions, gap] of [[1, false], [3, true]] as const) {
      const keys = new Keys({ prefix: `${prefix}${partitions}`, partitions });
      const subscriptions = new Subscriptions(streams, { limit: 10 });
      const words = ["execution", "e", "workflow", "w", "version", "1", "first", "1-0", "last", "1-0"];
      const after = await commands.send<string>(["XADD", keys.feed(0), "*", ...words]);
      for (const feed of keys.each((partition) => keys.feed(partition))) {
        await commands.send(["XADD", feed, "*", ...words]);
      }
      const stop = new AbortController();
      for await (const entry of followFeed({ keys, commands, subscriptions }, { signal: stop.signal, after })) {
        assert.is("mark" in entry && entry.mark === "gap", gap);
        stop.abort();
      }
    }
  } finally {
    await streams.stop();
    for (const connection of [link, commands]) connection.close();
    await removeKeys(url, prefix);
  }
});

test.run();
