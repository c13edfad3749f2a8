// timeout: 120
/**
 * What ran elsewhere and is brought to Redis: its idempotency key, wherever that lies.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { StoredEvent } from "../../../src/execution/event.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { keyPartition } from "../../../src/storage/redis/key_claims.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { placedRequestOf } from "../drivers.ts";

const { url } = redisVariants()[0]!;
const partitions = 4;
const concurrency = { limit: 1000, onOverlap: "queue" } as const;

test("a request with the key of what arrived starts nothing, wherever both lie, and after it has expired", async () => {
  const prefix = uniquePrefix();
  const keys = new Keys({ prefix, partitions });
  await using store = await openRedisStore({ url, prefix, partitions, instance: "a" });
  const commands = await RedisConnection.open({ url });
  const seen = { near: 0, far: 0 };
  let next = 0;
  try {
    const anyCase = fc.record({ limited: fc.boolean(), limitedAgain: fc.boolean(), hasExpired: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ limited, limitedAgain, hasExpired }) => {
        const keyed = { idempotency: { key: `k${next++}`, fingerprint: "f", ttlSeconds: 60 } };
        const ofCall = (isLimited: boolean) => placedRequestOf(store, { ...keyed, ...(isLimited && { concurrency }) });
        const request = ofCall(limited);
        const { executionId, workflowId, version, trigger } = request;
        const isNear = keyPartition(keys, workflowId, keyed.idempotency.key) === keys.partitionOf(executionId);
        seen[isNear ? "near" : "far"]++;
        const data = { workflowId, version, trigger, input: 1 };
        const events: StoredEvent[] = [
          { id: "1-1", type: "execution.requested", time: 1, data },
          { id: "1-2", type: "execution.completed", time: 1, data: { lastNode: "hook" } },
        ];
        const result = { executionId, status: "completed", output: 1 } as const;
        const arriving = { request, events, result };
        assert.equal(await store.arrivals!.write(arriving), { what: "written" });
        assert.equal(await store.arrivals!.write(arriving), { what: "written" }, "sent again");
        if (hasExpired) {
          const own = [keys.meta(executionId), keys.log(executionId), keys.result(executionId)];
          await commands.send(["DEL", ...own]);
        }
        for (const isLimited of [limitedAgain, !limitedAgain]) {
          const again = await store.log.request(ofCall(isLimited));
          assert.equal(again, { executionId, isNew: false });
        }
        const other = ofCall(limitedAgain);
        const late = { ...arriving, request: other, result: { ...result, executionId: other.executionId } };
        assert.equal(await store.arrivals!.write(late), { what: "written", keyOf: executionId });
      }),
      { numRuns: 60 },
    );
    assert.ok(seen.near > 0 && seen.far > 0, JSON.stringify(seen));
  } finally {
    commands.close();
    await removeKeys(url, prefix);
  }
});

test.run();
