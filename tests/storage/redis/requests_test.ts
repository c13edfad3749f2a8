/**
 * What a sender is told when Redis goes away in the middle of a request.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../../src/lib/errors.ts";
import { appendRequest } from "../../../src/execution/append_request.ts";
import { Waiters } from "../../../src/execution/waiters.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { MemoryWatch } from "../../../src/storage/redis/connection/memory_watch.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { LocalLeases } from "../../../src/storage/redis/local_leases.ts";
import { RedisRequests } from "../../../src/storage/redis/requests.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { placedRequestOf } from "../drivers.ts";
import { requested, statusOf } from "../limited_requests.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;

test("a request that was appended is not said to have started nothing, whatever becomes of its cancels", async () => {
  const prefix = uniquePrefix();
  const keys = new Keys({ prefix });
  const commands = await RedisConnection.open({ url });
  const memory = new MemoryWatch({ connection: commands });
  await using store = await openRedisStore({ url, prefix, instance: "a" });
  // The first of two cancels comes through, then Redis refuses.
  const outcomes = [true, false];
  const requests = new RedisRequests({
    ...{ keys, commands, memory, clock: store.clock, leaseMs: 10_000, queueLimit: 100, logLimitBytes: 10_000 },
    ...{ waiters: new Waiters({ instance: "b", limit: 1 }), locals: new LocalLeases({ keys }) },
    cancel: async (executionId, options) => {
      if (outcomes.shift() === false) throw new UnavailableError("Redis refuses: BUSY", { mayHaveHappened: false });
      await store.log.cancel(executionId, options);
    },
  });
  try {
    const older = await requested(store, { count: 2, limit: 1 });
    const request = placedRequestOf(store, { concurrency: { limit: 1, onOverlap: "cancelPrevious" } });
    const { executionId } = request;
    const accepted = await appendRequest(() => requests.request(request), request, () => false);
    assert.equal(accepted, { executionId, isNew: true });
    assert.equal(outcomes, []);
    assert.equal(await Promise.all(older.map((id) => statusOf(store, id))), ["cancelled", "cancelled"]);
    assert.is((await store.log.read(executionId)).length, 1);
  } finally {
    memory.stop();
    commands.close();
    await removeKeys(url, prefix);
  }
});

test.run();
