/**
 * Single flight, staleness and size, over every driver; and Hono's own middleware.
 */
import { Hono } from "hono";
import { cache as honoCache } from "hono/cache";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Caches } from "../../src/caches/caches.ts";
import { Locks } from "../../src/locks/locks.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers } from "../storage/drivers.ts";
import { Crowd } from "./crowd.ts";

const A = "https://example.com/a";

for (const driver of drivers()) {
  const test = suite(`Reading through caches on ${driver.name}`);
  let store: Store;
  let other: Store;
  /** The clock of the caches stands still in a test, so that ages are exact, except for how far on it is set. */
  let begun: number;
  let later: number;
  let lookups: string[];
  let errors: unknown[];
  /** A cache of the test's own: what is stored in the background may come late. */
  let name = "";
  let tests = 0;

  test.before(async () => {
    store = await driver.open("a", { cacheLimitBytes: 100_000 });
    other = driver.isShared ? await driver.open("b") : store;
  });
  test.before.each(() => {
    begun = store.clock.now();
    later = 0;
    lookups = [];
    errors = [];
    name = `pages ${tests++}`;
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    if (other !== store) await other[Symbol.asyncDispose]();
    await driver.clean();
  });

  const cachesOf = (from: Store, crowd?: Crowd) =>
    new Caches({
      store: crowd?.before(from.caches) ?? from.caches,
      now: () => begun + later,
      locks: new Locks({ store: from.locks, clientId: "test" }),
      onLookup: (cache, lookup, bytes) => lookups.push(`${cache} ${lookup} ${bytes}`),
      onError: (error) => errors.push(error),
    });
  const cached = (text: string, control = "max-age=60") =>
    new Response(text, { headers: { "cache-control": control } });

  test("a hundred who miss at once make one call, on two instances too", async () => {
    const crowd = new Crowd(100);
    const instances = [cachesOf(store, crowd), cachesOf(other, crowd)];
    let calls = 0;
    const load = async () => {
      calls++;
      await crowd.gathered;
      return cached("answer");
    };
    const ask = (n: number) => instances[n % 2]!.respond(name, { request: new Request(A), load, defaultLifetime: 60 });
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => ask(n)));
    assert.equal([...new Set(await Promise.all(answers.map(({ response }) => response.text())))], ["answer"]);
    assert.is(calls, driver.isShared || driver.name === "memory" ? 1 : 2);
    assert.is(answers.filter(({ status }) => status.lookup === "miss").length, 1);
    assert.is(answers.filter(({ status }) => status.collapsed).length, 99);
    assert.equal(errors, []);
    const again = await instances[1]!.respond(name, { request: new Request(A), load, defaultLifetime: 60 });
    assert.equal(again.status, { lookup: "hit", ttl: 60 });
    assert.is(again.response.headers.get("age"), "0");
  });

  test("what may not be stored is nobody else's answer", async () => {
    const caches = cachesOf(store);
    let calls = 0;
    const load = async () => {
      const mine = ++calls;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return cached(`for ${mine} alone`, "private");
    };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => caches.respond(name, { request: new Request(A), load, defaultLifetime: 60 })),
    );
    assert.is(new Set(await Promise.all(answers.map(({ response }) => response.text()))).size, 10);
    assert.ok(answers.every(({ status }) => status.stored === false));
  });

  test("callers who vary get each their own, though they miss at once", async () => {
    const caches = cachesOf(store);
    const ask = (language: string) => {
      const request = new Request(A, { headers: { "accept-language": language } });
      const load = async () => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        const headers = { "cache-control": "max-age=60", vary: "accept-language" };
        return new Response(language, { headers });
      };
      return caches.respond(name, { request, load, defaultLifetime: 60 });
    };
    const languages = ["de", "en", "de", "fr", "en", "de"];
    const answers = await Promise.all(languages.map(ask));
    assert.equal(await Promise.all(answers.map(({ response }) => response.text())), languages);
  });

  test("a call that fails fails those alone who made it", async () => {
    const caches = cachesOf(store);
    let calls = 0;
    const load = async () => {
      if (++calls === 1) throw new Error("once");
      await new Promise((resolve) => setTimeout(resolve, 1));
      return cached("well");
    };
    const ask = () =>
      caches.respond(name, { request: new Request(A), load, defaultLifetime: 60 }).then(
        ({ response }) => response.text(),
        (error) => error.message,
      );
    assert.equal((await Promise.all([ask(), ask(), ask()])).sort(), ["once", "well", "well"]);
  });

  test("what is stale is given at once while one gets it anew, and not past its time", async () => {
    const caches = cachesOf(store);
    let calls = 0;
    const load = () => Promise.resolve(cached(`answer ${++calls}`, "max-age=60, stale-while-revalidate=30"));
    const ask = async () => {
      const { response, status } = await caches.respond(name, {
        request: new Request(A),
        load,
        defaultLifetime: 60,
      });
      return `${status.lookup}: ${await response.text()}`;
    };
    assert.is(await ask(), "miss: answer 1");
    await eventually(async () => (await ask()).startsWith("hit"), "it is stored");
    later = 61_000;
    assert.equal([...new Set(await Promise.all([ask(), ask(), ask()]))], ["stale: answer 1"]);
    await eventually(async () => (await ask()) === "hit: answer 2", "it was got anew");
    assert.is(calls, 2);
    later += 91_000;
    assert.is(await ask(), "miss: answer 3");
  });

  test("match() of what is stale is a miss for the first who asks, and the stale response for the others", async () => {
    const cache = await cachesOf(store).open(name);
    await cache.put(A, cached("x", "max-age=60, stale-while-revalidate=30"));
    later = 61_000;
    const [first, ...rest] = [await cache.match(A), await cache.match(A), await cache.match(A)];
    assert.is(first, undefined);
    assert.equal(rest.map((response) => response?.headers.get("age")), ["61", "61"]);
    assert.equal(lookups, ["miss 0", "stale 1", "stale 1"].map((lookup) => `${name} ${lookup}`));
    later = 91_000;
    assert.is(await cache.match(A), undefined);
  });

  test("put() reads and drops what must not be stored", async () => {
    const cache = await cachesOf(store).open(name);
    for (const control of ["no-store", "private", "no-cache", "max-age=0"]) {
      const response = cached("x", control);
      await cache.put(A, response);
      assert.is(await cache.match(A), undefined, control);
    }
    assert.equal(await cache.keys(), []);
  });

  test("a body past the limit is refused, and what was stored first goes when a cache is full", async () => {
    const caches = new Caches({ store: store.caches, now: () => store.clock.now(), maxBodyBytes: 40_000 });
    const cache = await caches.open("small");
    const thrown = await cache.put(A, new Response(new Uint8Array(40_001))).then(() => undefined, (error) => error);
    assert.is(thrown.name, "QuotaExceededError");
    assert.equal(await cache.keys(), []);
    for (let n = 0; n < 12; n++) {
      await cache.put(`${A}/${n}`, new Response(new Uint8Array(n % 2 === 0 ? 30_000 : 5_000)));
      const sizes = await Promise.all((await cache.matchAll()).map((it) => it.arrayBuffer()));
      assert.ok(sizes.reduce((sum, { byteLength }) => sum + byteLength, 0) <= 100_000);
    }
    const left = (await cache.keys()).map(({ url }) => url);
    assert.is(left.at(-1), `${A}/11`);
    assert.not(left.includes(`${A}/0`));
    assert.ok(left.length >= 4);
    const headers = { "x-large": "x".repeat(70_000) };
    const refused = await cache.put(A, new Response("x", { headers })).then(() => undefined, (error) => error);
    assert.is(refused.name, "QuotaExceededError");
  });

  test("a response lapses in the store", async () => {
    const cache = await cachesOf(store).open(name);
    await cache.put(A, cached("x", "max-age=1"));
    await eventually(async () => (await cache.keys()).length === 0, "it lapses");
    assert.is(await cache.match(A), undefined);
  });

  test("counts add up by cache and day, on any instance", async () => {
    const counts = (cache: string, hits: number) => ({
      cache,
      day: "2026-11-26",
      hits,
      misses: 1,
      stale: 0,
      bytes: 10,
    });
    await store.caches.count([counts("pages", 2), counts("__proto__", 1)]);
    await other.caches.count([counts("pages", 3), { ...counts("pages", 1), day: "2026-11-25" }]);
    const read = await store.caches.counts(["2026-11-26", "2026-11-24"]);
    assert.equal(read.sort((a, b) => a.cache < b.cache ? -1 : 1), [
      { ...counts("__proto__", 1), hits: 1 },
      { ...counts("pages", 5), misses: 2, bytes: 20 },
    ]);
  });

  test("Hono's own cache middleware works on it unchanged", async () => {
    const scope = globalThis as { caches?: CacheStorage };
    scope.caches = cachesOf(store);
    try {
      let calls = 0;
      const app = new Hono();
      app.use(
        "/pages/*",
        honoCache({ cacheName: "hono", cacheControl: "max-age=60", vary: "accept-language", wait: true }),
      );
      app.get("/pages/:id", (c) => {
        calls++;
        return c.text(`page ${c.req.param("id")} in ${c.req.header("accept-language")}`);
      });
      const ask = async (id: string, language: string) => {
        const response = await app.request(`/pages/${id}`, { headers: { "accept-language": language } });
        return await response.text();
      };
      for (let n = 0; n < 3; n++) {
        assert.is(await ask("1", "de"), "page 1 in de");
        assert.is(await ask("1", "en"), "page 1 in en");
        assert.is(await ask("2", "de"), "page 2 in de");
      }
      assert.is(calls, 3);
      const hit = await app.request("/pages/1", { headers: { "accept-language": "de" } });
      assert.is(hit.headers.get("age"), "0");
      assert.is(hit.headers.get("cache-control"), "max-age=60");
      await app.request("/pages/1", { headers: { "accept-language": "de", authorization: "Bearer 1" } });
      assert.is(calls, 4);
    } finally {
      delete scope.caches;
    }
  });

  test.run();
}
