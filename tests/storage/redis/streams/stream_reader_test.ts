/**
 * Readers of streams that are lost, cut short, or read more slowly than they grow.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RedisConnection } from "../../../../src/storage/redis/connection/connection.ts";
import { StreamReader } from "../../../../src/storage/redis/streams/stream_reader.ts";
import { Subscriptions } from "../../../../src/storage/redis/streams/subscriptions.ts";
import { eventually } from "../../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../../support/redis.ts";

const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const stream = `${prefix}stream`;
const signal = new AbortController().signal;
let commands: RedisConnection;
let blocked: RedisConnection;
let reader: StreamReader;
let errors: unknown[] = [];

test.before.each(async () => {
  errors = [];
  commands = await RedisConnection.open({ url });
  blocked = await RedisConnection.open({ url });
  reader = new StreamReader({ blocked, commands, onError: (error) => errors.push(error) });
});
test.after.each(async () => {
  await reader.stop();
  commands.close();
  blocked.close();
  await removeKeys(url, prefix);
});

function add(id: string, to = stream): Promise<string> {
  return commands.send<string>(["XADD", to, id, "id", id]);
}

/** Loses the stream and adds an entry, in one step: nobody finds it gone. */
async function beginAnew(id: string): Promise<void> {
  await commands.use((client) => client.multi().del(stream).xAdd(stream, id, { id }).exec());
}

/** Follows the stream, and keeps what it hears. */
function follow(cursor: string) {
  const heard: string[] = [];
  const losses: string[] = [];
  reader.follow(
    stream,
    cursor,
    (entries) => heard.push(...entries.map(({ id }) => id)),
    (from) => losses.push(from),
  );
  return { heard, losses };
}

test("a stream that was lost is read from its beginning, and the follower hears of it", async () => {
  await add("900-0");
  const { heard, losses } = follow("0-0");
  await eventually(() => heard.length === 1, "the first entry");
  await commands.send(["DEL", stream]);
  blocked.reset();
  await eventually(() => losses.length === 1, "the loss");
  await add("5-0");
  await eventually(() => heard.length === 2, "the new entry");
  assert.equal([heard, losses], [["900-0", "5-0"], ["0-0"]]);
});

test("a stream that fell back behind the cursor is read from its end", async () => {
  await add("900-0");
  const { heard, losses } = follow("0-0");
  await eventually(() => heard.length === 1, "the first entry");
  await beginAnew("300-0");
  blocked.reset();
  await eventually(() => losses.length === 1, "the loss");
  await add("301-0");
  await eventually(() => heard.length === 2, "the new entry");
  assert.equal([heard, losses], [["900-0", "301-0"], ["300-0"]]);
});

test("a loss over a link that stays is found while nothing comes", async () => {
  await add("900-0");
  const { heard, losses } = follow("0-0");
  await eventually(() => heard.length === 1, "the first entry");
  const { id } = blocked;
  await beginAnew("300-0");
  await eventually(() => losses.length === 1, "the loss");
  assert.is(blocked.id, id);
  assert.equal(losses, ["300-0"]);
});

test("entries that were trimmed while the link was down are a loss, and the rest is read", async () => {
  await add("1-0");
  const { heard, losses } = follow("0-0");
  await eventually(() => heard.length === 1, "the first entry");
  const back = new Promise<void>((resolve) => blocked.onReady(resolve));
  blocked.reset();
  // At once, so that all of it is done before there is a new link.
  await Promise.all([...["2-0", "3-0", "4-0"].map((id) => add(id)), commands.send(["XTRIM", stream, "MINID", "3-0"])]);
  await back;
  await eventually(() => heard.at(-1) === "4-0", "the last entry");
  assert.equal([heard, losses], [["1-0", "3-0", "4-0"], ["1-0"]]);
});

test("a new link without a loss changes nothing", async () => {
  await add("1-0");
  const { heard, losses } = follow("0-0");
  await eventually(() => heard.length === 1, "the first entry");
  blocked.reset();
  await add("2-0");
  await eventually(() => heard.length === 2, "the second entry");
  reader.follow(`${prefix}missing`, "0-0", () => {}, (from) => losses.push(from));
  blocked.reset();
  await add("3-0");
  await eventually(() => heard.length === 3, "the third entry");
  assert.equal([heard, losses], [["1-0", "2-0", "3-0"], []]);
});

test("a handler that throws stops nobody", async () => {
  const other = `${prefix}other`;
  reader.follow(other, "0-0", () => {
    throw new Error("broken");
  });
  const { heard } = follow("0-0");
  await add("1-0", other);
  await add("1-0");
  await add("2-0");
  await eventually(() => heard.length === 2, "both entries");
  await eventually(() => errors.length === 1, "the error");
});

test("stop() ends the loop, whatever the links do", async () => {
  follow("0-0");
  await eventually(() => reader.size === 1, "followed");
  commands.close();
  await reader.stop();
});

test("subscribe() behind others takes nothing from those who have read less", async () => {
  const subscriptions = new Subscriptions(reader, { limit: 10 });
  const first = subscriptions.subscribe(stream, "0-0");
  // Not a turn between the two: the reader has not read 1-0 when the second comes from behind it.
  await Promise.all([add("1-0"), add("2-0")]);
  const late = subscriptions.subscribe(stream, "1-0");
  const [one, two] = await Promise.all([collect(first, 2), collect(late, 1)]);
  assert.equal([one, two], [["1-0", "2-0"], ["2-0"]]);
  first.close();
  late.close();
  assert.is(reader.size, 0);
});

test("a second subscription from further on does not skip what the first is still to get", async () => {
  const subscriptions = new Subscriptions(reader, { limit: 10 });
  const first = subscriptions.subscribe(stream, "0-0");
  const late = subscriptions.subscribe(stream, "5-0");
  for (const id of ["3-0", "6-0"]) await add(id);
  assert.equal([await collect(first, 2), await collect(late, 1)], [["3-0", "6-0"], ["6-0"]]);
});

test("a subscription that is slow holds a bounded number of entries, and misses none", async () => {
  const subscriptions = new Subscriptions(reader, { limit: 10 });
  const slow = subscriptions.subscribe(stream, "0-0");
  const quick = subscriptions.subscribe(stream, "0-0");
  const count = 5000;
  const ids = Array.from({ length: count }, (_, i) => `${i + 1}-0`);
  const [, all] = await Promise.all([Promise.all(ids.map((id) => add(id))), collect(quick, count)]);
  assert.equal(all, ids);
  const first = await slow.next({ signal, timeoutMs: 1000 });
  assert.ok(first.length >= 1000 && first.length <= 2000, `${first.length} entries were held`);
  const rest = await collect(slow, count - first.length);
  assert.equal([...first.map(({ id }) => id), ...rest], ids);
});

test("takeLoss() tells once, and next() does not wait when there was one", async () => {
  await add("900-0");
  const subscriptions = new Subscriptions(reader, { limit: 10 });
  const subscription = subscriptions.subscribe(stream, "0-0");
  assert.equal(await collect(subscription, 1), ["900-0"]);
  await commands.send(["DEL", stream]);
  blocked.reset();
  assert.equal(await subscription.next({ signal, timeoutMs: 3_600_000 }), []);
  assert.equal([subscription.takeLoss(), subscription.takeLoss()], [true, false]);
  await add("5-0");
  assert.equal(await collect(subscription, 1), ["5-0"]);
});

async function collect(
  subscription: ReturnType<Subscriptions["subscribe"]>,
  count: number,
): Promise<string[]> {
  const ids: string[] = [];
  await eventually(async () => {
    for (const { id } of await subscription.next({ signal, timeoutMs: 100 })) ids.push(id);
    return ids.length >= count;
  }, `${count} entries`);
  return ids;
}

test.run();
