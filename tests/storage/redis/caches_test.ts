/**
 * Caches on Redis: nothing stays for ever, and nothing is there by halves.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Caches } from "../../../src/caches/caches.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import type { Store } from "../../../src/storage/store.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const A = "https://example.com/a";
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
let store: Store;
let commands: RedisConnection;
let caches: Caches;

test.before.each(async () => {
  store = await openRedisStore({ url, prefix, instance: "a" });
  commands = await RedisConnection.open({ url });
  caches = new Caches({ store: store.caches, now: () => store.clock.now() });
});
test.after.each(async () => {
  await store[Symbol.asyncDispose]();
  commands.close();
  await removeKeys(url, prefix);
});

const cacheKeys = () => commands.send<string[]>(["KEYS", `${prefix}*cache*`]);

test("every key of a cache has a time to live, that of a body which is still written too", async () => {
  const cache = await caches.open("pages");
  await cache.put(A, new Response("small"));
  await cache.put(`${A}?large`, new Response(new Uint8Array(600_000)));
  await store.caches.claim("pages", "x", 60_000);
  await store.caches.count([{ cache: "pages", day: "2026-11-26", hits: 1, misses: 0, stale: 0, bytes: 1 }]);
  let end!: () => void;
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(300_000));
      end = () => controller.close();
    },
  });
  const putting = cache.put(`${A}?slow`, new Response(body));
  const bodies = async () => (await cacheKeys()).filter((name) => name.includes("cache-body:"));
  await eventually(async () => (await bodies()).length === 2, "the slow body is begun");
  assert.is(await cache.match(`${A}?slow`), undefined);
  for (const name of await cacheKeys()) assert.ok(await commands.send<number>(["PTTL", name]) > 0, name);
  end();
  await putting;
  assert.is((await (await cache.match(`${A}?slow`))!.arrayBuffer()).byteLength, 300_000);
});

test("the books are right after replacements, removals and lapses", async () => {
  const cache = await caches.open("pages");
  const sizes = async () => {
    const [name] = (await cacheKeys()).filter((name) => name.includes("cache-sizes"));
    if (name === undefined) return { total: 0, sum: 0, count: 0 };
    const words = await commands.send<string[]>(["HGETALL", name]);
    const all = new Map(words.flatMap((word, at) => at % 2 === 0 ? [[word, Number(words[at + 1])] as const] : []));
    const total = all.get("total")!;
    all.delete("total");
    return { total, sum: [...all.values()].reduce((a, b) => a + b, 0), count: all.size };
  };
  for (let n = 0; n < 10; n++) await cache.put(`${A}?${n % 4}`, new Response("x".repeat(n * 2000)));
  const short = { headers: { "cache-control": "max-age=1" } };
  await cache.put(`${A}?short`, new Response("short", short));
  let { total, sum, count } = await sizes();
  assert.is(total, sum);
  assert.is(count, 5);
  await cache.delete(`${A}?1`);
  await eventually(async () => await cache.match(`${A}?short`) === undefined, "it lapses");
  // Redis's clock says when, which may be a moment later.
  await eventually(async () => {
    await cache.put(`${A}?2`, new Response("again"));
    ({ total, sum, count } = await sizes());
    return count === 3;
  }, "it leaves the books");
  assert.is(total, sum);
  await caches.delete("pages");
  assert.is((await sizes()).count, 0);
  const left = (await cacheKeys()).filter((name) => !name.endsWith(":caches") && !name.includes("cache-body"));
  assert.equal(left, []);
});

test.run();
