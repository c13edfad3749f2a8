/**
 * No waiter misses its reply, however it comes about that the reply is not in the inbox.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Reply } from "../../../src/execution/replies.ts";
import { pause } from "../../../src/lib/delay.ts";
import { Waiters } from "../../../src/execution/waiters.ts";
import type { ExecutionResult } from "../../../src/execution/result.ts";
import { Inbox } from "../../../src/storage/redis/inbox.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { StreamReader } from "../../../src/storage/redis/streams/stream_reader.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const keys = new Keys({ prefix, partitions: 2 });
const names = keys.each((partition) => keys.inbox(partition, "a"));
let commands: RedisConnection;
let blocked: RedisConnection;
let reader: StreamReader;
let inbox: Inbox;
let waiters: Waiters;
let results: Map<string, ExecutionResult>;
let lookUp: (id: string) => Promise<ExecutionResult | undefined>;

test.before.each(async () => {
  results = new Map();
  lookUp = (id) => Promise.resolve(results.get(id));
  commands = await RedisConnection.open({ url });
  blocked = await RedisConnection.open({ url });
  reader = new StreamReader({ blocked, commands });
  waiters = new Waiters({ instance: "a", limit: 10_000 });
  inbox = new Inbox({
    keys,
    commands,
    reader,
    instance: "a",
    waiters,
    resolve: (reply) => Promise.resolve(JSON.parse(reply)),
    result: (id) => lookUp(id),
    onError: () => {},
  });
  await inbox.open();
  commands.onReady(() => inbox.recover());
});
test.after.each(async () => {
  await inbox.close();
  await reader.stop();
  commands.close();
  blocked.close();
  await removeKeys(url, prefix);
});

/** An inbox anew under lower ids, with a reply to "x". */
const BEGIN_ANEW = `
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[1], '5-0', 'opened', 'a')
redis.call('XADD', KEYS[1], '6-0', 'execution', 'x', 'result', ARGV[1])
`;

/** Replies as the scripts do: the result is kept, and the inbox gets it if it is there. */
async function reply(id: string, { stored = false, partition = 0 } = {}): Promise<void> {
  results.set(id, { executionId: id, status: "completed", output: 7 });
  const words = stored ? ["stored", "1"] : ["result", JSON.stringify(results.get(id))];
  await commands.send(["XADD", names[partition]!, "NOMKSTREAM", "*", "execution", id, ...words]);
}

function wait(id: string): Promise<Reply> {
  return waiters.wait(id, { timeoutMs: 60_000 }).reply;
}

async function answered(waiter: Promise<Reply>): Promise<void> {
  let result: ExecutionResult | undefined;
  waiter.then((value) => result = value.result, () => {});
  await eventually(() => result !== undefined, "the answer");
  assert.is(result?.output, 7);
}

test("a reply reaches its waiter, whole or as a reference", async () => {
  const waiters = ["x", "y"].map((id) => wait(id));
  await reply("x");
  await reply("y", { stored: true, partition: 1 });
  for (const waiter of waiters) await answered(waiter);
});

test("an inbox that is gone is made again, and whoever missed a reply meanwhile is answered", async () => {
  const missed = wait("missed");
  const later = wait("later");
  await commands.send(["DEL", ...names]);
  await reply("missed");
  await answered(missed);
  assert.is(await commands.send(["EXISTS", ...names]), 2);
  for (const name of names) assert.ok(Number(await commands.send(["PTTL", name])) > 50_000);
  // By the inbox, and not because its result was looked for.
  lookUp = () => Promise.resolve(undefined);
  await reply("later");
  await answered(later);
});

test("recover() after a new link looks up thousands of waiters, and again for those that were not found", async () => {
  const late = wait("late");
  const waiters = Array.from(
    { length: 5000 },
    (_, i) => wait(`w${i}`),
  );
  for (let i = 0; i < 5000; i++) results.set(`w${i}`, { executionId: `w${i}`, status: "completed", output: 7 });
  let under = 0;
  let most = 0;
  lookUp = async (id) => {
    most = Math.max(most, ++under);
    await commands.send(["GET", `${prefix}nothing`]);
    under--;
    return results.get(id);
  };
  commands.reset();
  await Promise.all(waiters);
  assert.ok(most > 50 && most <= 100, `${most} at once`);
  results.set("late", { executionId: "late", status: "completed", output: 7 });
  await answered(late);
});

test("a lookup that fails is made again", async () => {
  let failures = 3;
  const working = lookUp;
  lookUp = (id) => failures-- > 0 ? Promise.reject(new Error("away")) : working(id);
  const waiter = wait("x");
  results.set("x", { executionId: "x", status: "completed", output: 7 });
  commands.reset();
  await answered(waiter);
  failures = 3;
  const large = wait("y");
  await reply("y", { stored: true });
  await answered(large);
});

test("replies to an inbox whose ids went back are read", async () => {
  // A failover to a server whose clock is behind, and that never saw the newest replies.
  const waiter = wait("x");
  let isAnswered = false;
  void waiter.then(() => isAnswered = true);
  await eventually(async () => {
    // On a machine that stalls, what keeps the inbox may trim it before it is read: then once more.
    await commands.send(["EVAL", BEGIN_ANEW, "1", names[0]!, `{"executionId":"x","output":7}`]);
    blocked.reset();
    for (let n = 0; n < 100 && !isAnswered; n++) await pause(10);
    return isAnswered;
  }, "the answer");
  await answered(waiter);
});

test("the inbox is trimmed behind what was read, and removed by close()", async () => {
  const waiters = ["x", "y", "z"].map((id) => wait(id));
  for (const id of ["x", "y", "z"]) await reply(id);
  for (const waiter of waiters) await answered(waiter);
  await eventually(async () => await commands.send(["XLEN", names[0]!]) === 1, "one entry is left");
  await inbox.close();
  assert.is(await commands.send(["EXISTS", ...names]), 0);
});

test.run();
