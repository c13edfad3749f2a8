/**
 * What a worker takes at once: a part of it that fails keeps nothing of the rest.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../../src/lib/errors.ts";
import type { Claim } from "../../../src/execution/claim.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { Leases } from "../../../src/storage/redis/leases.ts";
import { LocalLeases } from "../../../src/storage/redis/local_leases.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { GroupReader } from "../../../src/storage/redis/streams/group_reader.ts";
import { Taker } from "../../../src/storage/redis/taker.ts";
import { requestOf, takeClaim } from "../drivers.ts";
import { rejects } from "../expectations.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
const { signal } = new AbortController();

test("take() hands out what came with an execution that could not be buried, and buries that later", async () => {
  const prefix = uniquePrefix();
  const keys = new Keys({ prefix });
  const commands = await RedisConnection.open({ url });
  await using store = await openRedisStore({ url, prefix, instance: "a" });
  const buried: string[] = [];
  let isAway = true;
  const onDead = async ({ executionId }: Claim) => {
    if (isAway) throw new UnavailableError("Redis is away");
    await store.log.cancel(executionId);
    buried.push(executionId);
  };
  const parts = { keys, commands, instance: "b", group: "workers", maxDeliveries: 5, onDead };
  const streams = [keys.work(0)];
  const reader = new GroupReader({
    ...parts,
    streams,
    consumer: "b",
    openBlocked: () => RedisConnection.open({ url }),
  });
  const leases = new Leases({
    ...{ ...parts, leaseMs: 60_000, locals: new LocalLeases({ keys }) },
    ...{ onLost: () => {}, onUnsure: () => reader.again(), onError: () => {} },
  });
  const taker = new Taker({ ...parts, leases, reader, streams, requeue: () => Promise.resolve() });
  const take = () => taker.take({ count: 10, blockMs: 10, signal });
  try {
    const [dead, living] = [requestOf(), requestOf()];
    await store.log.request(dead);
    const claim = await takeClaim(store, dead.executionId);
    await commands.send(["HSET", keys.meta(dead.executionId), "deliveries", "5"]);
    await store.work.requeue(claim);
    await store.log.request(living);
    await rejects(take, UnavailableError);
    const claims = await take();
    assert.equal(claims.map(({ executionId }) => executionId), [living.executionId]);
    assert.ok(leases.has(0, claims[0]!.entryId), "its lease is renewed");
    await rejects(take, UnavailableError);
    isAway = false;
    assert.equal(await take(), []);
    assert.equal(buried, [dead.executionId]);
  } finally {
    await reader.close();
    commands.close();
    await removeKeys(url, prefix);
  }
});

test.run();
