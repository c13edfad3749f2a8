/**
 * Caches in memory: what only the driver of one process has to bound by itself.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Caches } from "../../../src/caches/caches.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";

test("all caches together keep a quarter of what executions may take: what was stored first goes, from whatever cache", async () => {
  await using store = createMemoryStore({ instance: "a", retentionBytes: 400_000, cacheLimitBytes: 90_000 });
  const caches = new Caches({ store: store.caches, now: () => store.clock.now() });
  const put = async (name: string, n: number) => {
    const cache = await caches.open(name);
    await cache.put(`http://a.test/${n}`, new Response(new Uint8Array(30_000)));
  };
  const kept = async () => {
    const all = await Promise.all(["a", "b", "c"].map(async (name) => (await caches.open(name)).keys()));
    return all.map((requests) => requests.map(({ url }) => Number(url.slice("http://a.test/".length))));
  };
  for (const [n, name] of ["a", "b", "c", "a"].entries()) await put(name, n);
  assert.equal(await kept(), [[3], [1], [2]]);
  await put("c", 4);
  assert.equal(await kept(), [[3], [], [2, 4]]);
  // What is removed gives back its room, and so does a cache that is dropped.
  await (await caches.open("a")).delete("http://a.test/3");
  await put("b", 5);
  assert.equal(await kept(), [[], [5], [2, 4]]);
  await caches.delete("c");
  for (const n of [6, 7]) await put("a", n);
  assert.equal(await kept(), [[6, 7], [5], []]);
});

test.run();
