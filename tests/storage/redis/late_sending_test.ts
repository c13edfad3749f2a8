/**
 * What a link delivers that was given up long ago: the request came over another one meanwhile, and may have run.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { recordWords, requestWords } from "../../../src/storage/redis/request_words.ts";
import { recordExecution } from "../../../src/storage/redis/scripts/record.ts";
import { requestExecution } from "../../../src/storage/redis/scripts/request.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { completed, requestOf } from "../drivers.ts";

const { url } = redisVariants()[0]!;
const LARGE = "x".repeat(40_000);
const first = { again: false, queueLimit: undefined };

for (const [size, input] of [["small", { n: 1 }], ["large", LARGE]] as const) {
  test(`a late sending of a ${size} request, or of its record, changes nothing, whether it ran or not`, async () => {
    const prefix = uniquePrefix();
    const keys = new Keys({ prefix });
    const commands = await RedisConnection.open({ url });
    const store = await openRedisStore({ url, prefix, instance: "a" });
    try {
      const request = requestOf({ input });
      const { executionId } = request;
      const names = async () => (await commands.send<string[]>(["KEYS", `${prefix}*${executionId}*`])).sort();
      const sentAt = store.clock.now() - 3000;
      const last = { type: "execution.completed", time: sentAt, data: { lastNode: "sum" } } as const;
      const run = {
        requestedAt: sentAt,
        events: [completed("sum", 7), last],
        result: { executionId, status: "completed", output: 7 },
      } as const;
      const sendLate = async () => {
        const { words } = requestWords(request, { keys });
        const record = await recordWords(request, run, { keys });
        assert.is((await requestExecution(commands, words, { ...first, time: sentAt })).what, "late");
        assert.is((await requestExecution(commands, words, { ...first, time: sentAt, leaseMs: 1000 })).what, "late");
        assert.is((await recordExecution(commands, record.words, first)).what, "late");
      };
      await sendLate();
      assert.equal(await names(), [], "nothing is left of what did not come");
      await store.shortWay.record(request, { ...run, requestedAt: store.clock.now() });
      const [log, meta, keysAfter] = [
        await store.log.read(executionId),
        await store.log.meta(executionId),
        await names(),
      ];
      await sendLate();
      assert.equal(await store.log.read(executionId), log);
      assert.equal(await store.log.meta(executionId), meta);
      assert.equal(await names(), keysAfter);
      assert.equal(await store.work.take({ count: 1, blockMs: 50, signal: new AbortController().signal }), []);
    } finally {
      commands.close();
      await store[Symbol.asyncDispose]();
      await removeKeys(url, prefix);
    }
  });
}

test("what is sent late over a link that lives is sent again, and accepted", async () => {
  const prefix = uniquePrefix();
  const store = await openRedisStore({ url, prefix, instance: "a" });
  try {
    const request = (id = store.log.makeId({ workflowId: "orders", limited: false })) => requestOf({ executionId: id });
    const requestedAt = store.clock.now() - 5000;
    const { claim } = await store.shortWay.start(request(), { requestedAt });
    assert.ok(claim);
    const recorded = request();
    const { executionId } = recorded;
    await store.shortWay.record(recorded, {
      requestedAt,
      events: [{ type: "execution.completed", time: requestedAt, data: { lastNode: "hook" } }],
      result: { executionId, status: "completed", output: 1 },
    });
    assert.equal((await store.log.read(executionId)).map(({ type }) => type), [
      "execution.requested",
      "execution.completed",
    ]);
  } finally {
    await store[Symbol.asyncDispose]();
    await removeKeys(url, prefix);
  }
});

test.run();
