/**
 * What only Redis shows of sessions and mailboxes: that every key ends, and what is read of what is older than it may be.
 */
import { createClient } from "redis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOX_TTL_MS, SESSION_BOXES } from "../../../src/sessions/mailbox.ts";
import { Sessions } from "../../../src/sessions/sessions.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

for (const { name, url } of redisVariants()) {
  test(`every key of sessions, mailboxes and the designer has a time to live on ${name}`, async () => {
    const prefix = uniquePrefix();
    const client = await createClient({ url }).on("error", () => {}).connect();
    try {
      await using store = await openRedisStore({ url, prefix, instance: "a" });
      const sessions = new Sessions({ store: store.sessions });
      await sessions.put("put", {});
      await sessions.merge("put", { data: { a: 1 } });
      await sessions.patch("put", [{ op: "add", path: "/data/b", value: 1 }]);
      await sessions.get("put");
      for (const box of SESSION_BOXES) await store.mailboxes.post({ box, id: "put" }, "1");
      await store.designer.write("w", { json: "1", ttlMs: 60_000, sealed: "" }, undefined);
      await store.designer.write("v", { json: "1", ttlMs: 60_000, sealed: "" }, undefined);
      await store.designer.delete("v", undefined);
      const lives = new Map<string, number>();
      for await (const keys of client.scanIterator({ MATCH: `${prefix}*` })) {
        for (const key of keys) lives.set(key.slice(prefix.length), await client.pTTL(key));
      }
      const mine = [...lives].filter(([key]) => /session:|mailbox:|recent-events|designer/.test(key));
      assert.is(mine.length, 1 + SESSION_BOXES.length + 1 + 1 + 2, [...lives.keys()].join());
      for (const [key, ttl] of mine) assert.ok(ttl > 0, `${key} lives for ${ttl}`);
    } finally {
      client.destroy();
      await removeKeys(url, prefix);
    }
  });
}

test("entries that are older than their box may keep them are not read, though another has kept the stream", async () => {
  const { url } = redisVariants()[0]!;
  const prefix = uniquePrefix();
  const client = await createClient({ url }).on("error", () => {}).connect();
  try {
    await using store = await openRedisStore({ url, prefix, instance: "a" });
    const keys = new Keys({ prefix });
    const address = { box: "commands", id: "alice" } as const;
    const old = `${store.clock.now() - BOX_TTL_MS.commands - 1000}-0`;
    const young = `${store.clock.now() - BOX_TTL_MS.commands + 60_000}-0`;
    const stream = keys.mailbox(address.box, address.id);
    await client.xAdd(stream, old, { data: '"old"', total: "5", before: "" });
    await client.xAdd(stream, young, { data: '"young"', total: "12", before: old });
    assert.equal((await store.mailboxes.read(address, { limit: 10 })).map(({ id }) => id), [young]);
    for await (const batch of store.mailboxes.follow(address, { signal: new AbortController().signal })) {
      assert.equal(batch, [{ id: young, json: '"young"', before: old }]);
      break;
    }
    await store.mailboxes.post(address, '"new"');
    assert.is(await client.xLen(stream), 2);
  } finally {
    client.destroy();
    await removeKeys(url, prefix);
  }
});

test("Keys.sessions() finds what begins with the prefix, whatever is in it", async () => {
  const { url } = redisVariants()[0]!;
  const [odd, other] = [`${uniquePrefix()}[a]*?\\`, uniquePrefix()];
  const client = await createClient({ url }).on("error", () => {}).connect();
  try {
    const keys = new Keys({ prefix: odd });
    for (
      const key of [keys.session("x"), keys.session("*"), `${odd.replace("[a]", "a")}session:y`, `${other}session:z`]
    ) {
      await client.set(key, "1", { expiration: { type: "EX", value: 100 } });
    }
    const { pattern, start } = keys.sessions();
    const found: string[] = [];
    for await (const page of client.scanIterator({ MATCH: pattern, COUNT: 1000 })) found.push(...page);
    assert.equal(found.map((key) => key.slice(start)).sort(), ["*", "x"]);
  } finally {
    client.destroy();
    await removeKeys(url, odd.slice(0, odd.indexOf("[")));
    await removeKeys(url, other);
  }
});

test.run();
