// not quick: tries a hundred times
/**
 * A workflow whose document is never the one that Redis lists: changes give up on it.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../../src/lib/errors.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { rejects } from "../expectations.ts";

for (const { name, url } of redisVariants()) {
  const test = suite(`RedisWorkflowStore on ${name}`);
  const prefix = uniquePrefix();
  test.after(async () => void await removeKeys(url, prefix));

  test("put() and delete() reject with UnavailableError when the workflow moves at each of their tries", async () => {
    const commands = await RedisConnection.open({ url });
    await using store = await openRedisStore({ url, prefix, instance: "a" });
    try {
      const definition = {
        ...{ name: "", active: true, nodes: [], connections: [] },
        settings: { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 },
      };
      await store.workflows.put("x", definition, { routes: [] });
      await commands.send(["HSET", new Keys({ prefix }).workflows(), "x", "7"]);
      await rejects(() => store.workflows.put("x", { ...definition, name: "n" }, { routes: [] }), UnavailableError);
      await rejects(() => store.workflows.delete("x"), UnavailableError);
      assert.is((await store.workflows.get("x"))?.version, 1);
    } finally {
      commands.close();
    }
  });

  test.run();
}
