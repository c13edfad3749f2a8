/**
 * Who assembles and who archives call an execution that has ended the same in the set of what the lists forget.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FeedEntry } from "../../../src/feed/projections.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { expiryMember } from "../../../src/storage/redis/expiry_member.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;
const time = fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 });
const entries = fc.array(
  fc.record({
    workflowId: fc.constantFrom("orders", "a", "mail-2"),
    status: fc.constantFrom("completed", "failed", "cancelled"),
    requestedAt: time,
    tookMs: fc.oneof(fc.integer({ min: -5, max: 3000 }), fc.integer({ min: 0, max: 100_000_000 })),
    imported: fc.boolean(),
  }),
  { minLength: 1, maxLength: 20 },
);

test("the script that assembles makes the member that `expiryMember` says", async () => {
  const prefix = uniquePrefix();
  const commands = await RedisConnection.open({ url });
  const store = await openRedisStore({ url, prefix, instance: "a" });
  const expiry = new Keys({ prefix }).expiry(0);
  try {
    await fc.assert(
      fc.asyncProperty(entries, async (parts) => {
        const made = parts.map(({ workflowId, status, requestedAt, tookMs, imported }): FeedEntry => {
          const endedAt = requestedAt + tookMs;
          return {
            ...{
              id: "",
              partition: 0,
              executionId: uuidv7(),
              workflowId,
              version: 1,
              first: "1-0",
              last: "1-0",
              types: [],
            },
            ended: { status, requestedAt, endedAt, keptUntil: Date.now() + 1_000_000 } as const,
            ...(imported && { imported }),
          };
        });
        await store.projections.applyFeed(made);
        const members = await commands.send<string[]>(["ZRANGE", expiry, "0", "-1"]);
        assert.equal(members.sort(), made.map((entry) => expiryMember(entry, entry.ended!)).sort());
        await commands.send(["DEL", expiry]);
      }),
      { numRuns: 30 },
    );
  } finally {
    commands.close();
    await store[Symbol.asyncDispose]();
    await removeKeys(url, prefix);
  }
});

test.run();
