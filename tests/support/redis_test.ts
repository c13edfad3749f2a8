import { createClient } from "redis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { redisVariants, removeKeys, uniquePrefix } from "./redis.ts";

test("removeKeys() removes the keys of one prefix only", async () => {
  const { url } = redisVariants()[0]!;
  const [mine, other] = [uniquePrefix(), uniquePrefix()];
  const client = await createClient({ url }).on("error", () => {}).connect();
  try {
    for (let i = 0; i < 50; i++) await client.set(`${mine}{0}:${i}`, "x");
    await client.set(`${other}key`, "kept");
    assert.is(await removeKeys(url, mine), 50);
    assert.is(await removeKeys(url, mine), 0);
    assert.is(await client.get(`${other}key`), "kept");
    assert.is(await removeKeys(url, other), 1);
  } finally {
    client.destroy();
  }
});

test("redisVariants() says how to run a file when no Redis is provided", () => {
  const url = process.env.TEST_REDIS_URL;
  delete process.env.TEST_REDIS_URL;
  try {
    assert.throws(() => redisVariants(), /\.\/scripts\/test --only/);
  } finally {
    process.env.TEST_REDIS_URL = url;
  }
});

test.run();
