// timeout: 120
/**
 * Idempotency keys that lie in another partition than their executions, while links break between the two steps.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LogEvent } from "../../../src/execution/event.ts";
import type { ExecutionRequest } from "../../../src/execution/request.ts";
import type { Store } from "../../../src/storage/store.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { claimKey } from "../../../src/storage/redis/key_claims.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { placedRequestOf, takenWithin } from "../drivers.ts";
import { startCuttingProxy } from "../../support/cutting_proxy.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
const partitions = 16;

test("a request with a key that is cut at any command starts one execution, whoever sends it again", async () => {
  const prefix = uniquePrefix();
  await using store = await openRedisStore({ url, prefix, partitions, instance: "a" });
  const concurrency = { limit: 1000, onOverlap: "queue" as const };
  const requestOf = (store: Store, key: string, limited: boolean): ExecutionRequest =>
    placedRequestOf(store, {
      idempotency: { key, fingerprint: "f", ttlSeconds: 60 },
      ...(limited ? { concurrency } : {}),
    });
  try {
    const expected: string[] = [];
    for (const when of ["before", "reply"] as const) {
      for (let at = 1; at <= 5; at++) {
        for (const limitedNow of [true, false]) {
          const key = `${when} ${at} ${limitedNow}`;
          await using proxy = await startCuttingProxy(Number(new URL(url).port));
          const crashing = await openRedisStore({ url: proxy.url, prefix, partitions, instance: "b" });
          proxy.cutAtCommand(at, when);
          // What its sender hears of it is open; a sender that goes on to send it again is stopped by closing.
          const sent = crashing.log.request(requestOf(crashing, key, true)).catch(() => undefined);
          await Promise.race([sent, new Promise((resolve) => setTimeout(resolve, 60))]);
          await crashing[Symbol.asyncDispose]();
          const first = await sent;
          const again = await store.log.request(requestOf(store, key, limitedNow));
          if (first !== undefined) assert.is(again.executionId, first.executionId);
          const third = await store.log.request(requestOf(store, key, !limitedNow));
          assert.equal(third, { executionId: again.executionId, isNew: false });
          expected.push(again.executionId);
        }
      }
    }
    const taken: string[] = [];
    await eventually(async () => {
      taken.push(...await takenWithin(store, 100));
      return taken.length >= expected.length;
    }, "all come");
    // And none twice.
    taken.push(...await takenWithin(store, 300));
    assert.equal(taken.sort(), expected.sort());
  } finally {
    await removeKeys(url, prefix);
  }
});

test("a key that was claimed for an execution which lies with it starts that, and once", async () => {
  const prefix = uniquePrefix();
  const keys = new Keys({ prefix, partitions });
  const commands = await RedisConnection.open({ url });
  await using store = await openRedisStore({ url, prefix, partitions, instance: "a" });
  try {
    for (const key of ["request", "record"] as const) {
      const idempotency = { key, fingerprint: "f", ttlSeconds: 600 };
      const request = { ...placedRequestOf(store, { idempotency }), idempotency };
      const { executionId } = request;
      const result = { executionId, status: "completed" as const, output: 7 };
      const events: LogEvent[] = [{ type: "execution.completed", time: 1, data: { lastNode: "sum" } }];
      const send = () =>
        key === "request"
          ? store.log.request(request)
          : store.shortWay.record(request, { requestedAt: 1, events, result });
      // As when the claim for an execution elsewhere was released just before.
      await claimKey({ keys, commands }, request);
      assert.equal(await send(), { executionId, isNew: true });
      assert.is((await store.log.meta(executionId))?.workflowId, "orders");
      // As when its history has expired.
      await commands.send(["UNLINK", keys.meta(executionId)]);
      assert.is((await send()).executionId, executionId);
      assert.is(await store.log.meta(executionId), undefined);
    }
  } finally {
    commands.close();
    await removeKeys(url, prefix);
  }
});

test("keys of one workflow without a limit are spread over the partitions", async () => {
  const prefix = uniquePrefix();
  await using store = await openRedisStore({ url, prefix, partitions, instance: "a" });
  try {
    const ids = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const request = placedRequestOf(store, { idempotency: { key: `k${n}`, fingerprint: "f", ttlSeconds: 60 } });
        return (await store.log.request(request)).executionId;
      }),
    );
    const keys = new Keys({ prefix, partitions });
    assert.ok(new Set(ids.map((id) => keys.partitionOf(id))).size >= 12);
  } finally {
    await removeKeys(url, prefix);
  }
});

test.run();
