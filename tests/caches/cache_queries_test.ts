/**
 * The Cache API over every driver: what is found, listed and removed; see `cache_test.ts`.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drivers } from "../storage/drivers.ts";
import { cacheRig, refused } from "./cache_rig.ts";

const A = "https://example.com/a";
const CAT = "https://example.com/cat";

for (const driver of drivers()) {
  const test = suite(`Queries of a cache on ${driver.name}`);
  const rig = cacheRig(test, driver);

  const texts = async (responses: readonly Response[]) => await Promise.all(responses.map((it) => it.text()));
  const urls = (requests: readonly Request[]) => requests.map(({ url }) => url);
  const text = async (input: RequestInfo, options?: CacheQueryOptions) =>
    (await rig.cache.match(input, options))?.text();

  test("match() resolves with undefined for what is not there, and compares whole URLs", async () => {
    await rig.cache.put(`${A}?q=1`, new Response("query"));
    await rig.cache.put(CAT, new Response("cat"));
    for (const url of [A, "https://example.com/c", "https://example.com/CAT", "http://example.com/cat"]) {
      assert.is(await rig.cache.match(url), undefined, url);
    }
    assert.is(await text(`${CAT}#mouse`), "cat");
    assert.is(await text(new Request(CAT)), "cat");
    assert.is(await refused(rig.cache.match(undefined as unknown as string)), "TypeError");
  });

  test("match() with ignoreSearch, ignoreMethod and ignoreVary", async () => {
    await rig.cache.put(A, new Response("a"));
    assert.is(await text(`${A}?q=2`, { ignoreSearch: true }), "a");
    await rig.cache.put(`${CAT}?q=1`, new Response("query"));
    assert.is(await text(CAT, { ignoreSearch: true }), "query");
    for (const method of ["HEAD", "POST"]) {
      assert.is(await rig.cache.match(new Request(A, { method })), undefined);
      assert.is(await text(new Request(A, { method }), { ignoreMethod: true }), "a");
    }
    await rig.cache.put(
      new Request(A, { headers: { cookies: "is" } }),
      new Response("v", { headers: { vary: "Cookies" } }),
    );
    await rig.cache.delete(A);
    assert.is(await rig.cache.match(A), undefined);
    assert.is(await text(A, { ignoreVary: true }), "v");
  });

  test("match() goes by Vary, by the values of each of its fields", async () => {
    const as = (headers: Record<string, string>) => new Request(A, { headers });
    const vary = { headers: { vary: "Accept-Language, COOKIE , authorization" } };
    const both = { ...vary.headers, "cache-control": "public, max-age=60" };
    await rig.cache.put(as({ "accept-language": "de" }), new Response("de", vary));
    await rig.cache.put(as({ "accept-language": "de", cookie: "a=1" }), new Response("de, a=1", vary));
    await rig.cache.put(as({ authorization: "Bearer 1" }), new Response("one's", { headers: both }));
    assert.is(await text(as({ "accept-language": "de" })), "de");
    assert.is(await text(as({ "accept-language": "de", cookie: "a=1" })), "de, a=1");
    assert.is(await text(as({ authorization: "Bearer 1" })), "one's");
    for (const other of [{}, { "accept-language": "en" }, { cookie: "a=1" }, { authorization: "Bearer 2" }]) {
      assert.is(await rig.cache.match(as(other)), undefined, JSON.stringify(other));
    }
    assert.is((await rig.cache.matchAll(A, { ignoreVary: true })).length, 3);
    assert.is(await rig.cache.delete(as({ "accept-language": "de" })), true);
    assert.is((await rig.cache.matchAll(A, { ignoreVary: true })).length, 2);
  });

  test("match() takes the newest of several that match (RFC 9111, section 4.1)", async () => {
    await rig.cache.put(new Request(A, { headers: { x: "1" } }), new Response("by x", { headers: { vary: "x" } }));
    await rig.cache.put(new Request(A, { headers: { x: "2" } }), new Response("by y", { headers: { vary: "y" } }));
    assert.is(await text(new Request(A, { headers: { x: "1" } })), "by y");
  });

  test("match() does not go by the URL of the response", async () => {
    const response = new Response("x");
    Object.defineProperty(response, "url", { value: CAT });
    await rig.cache.put(A, response);
    assert.is(await rig.cache.match(CAT), undefined);
    assert.is(await text(A), "x");
  });

  test("matchAll() gives all that match, or all there are, in the order in which they were stored", async () => {
    assert.equal(await rig.cache.matchAll(), []);
    for (const url of [CAT, A, `${A}?q=1`]) await rig.cache.put(url, new Response(url));
    assert.equal(await texts(await rig.cache.matchAll()), [CAT, A, `${A}?q=1`]);
    assert.equal(await texts(await rig.cache.matchAll(A)), [A]);
    assert.equal(await texts(await rig.cache.matchAll(A, { ignoreSearch: true })), [A, `${A}?q=1`]);
    assert.equal(await rig.cache.matchAll(new Request(A, { method: "HEAD" })), []);
    assert.equal(await texts(await rig.cache.matchAll(new Request(A, { method: "HEAD" }), { ignoreMethod: true })), [
      A,
    ]);
    assert.equal(await rig.cache.matchAll("https://example.com/none"), []);
  });

  test("keys() gives the requests in the order in which they were stored, the last put last", async () => {
    assert.equal(await rig.cache.keys(), []);
    for (let n = 0; n < 230; n++) await rig.cache.put(`${A}/${n}`, new Response("x"));
    await rig.cache.put(`${A}/0`, new Response("again"));
    const all = urls(await rig.cache.keys());
    assert.is(all.length, 230);
    assert.is(all[0], `${A}/1`);
    assert.is(all.at(-1), `${A}/0`);
    assert.equal(urls(await rig.cache.keys(`${A}/7`)), [`${A}/7`]);
    assert.equal(urls(await rig.cache.keys(`${A}/7?q`, { ignoreSearch: true })), [`${A}/7`]);
    assert.equal(await rig.cache.keys(new Request(`${A}/7`, { method: "HEAD" })), []);
  });

  test("keys() gives the headers of the requests, without their credentials", async () => {
    const headers = { accept: "text/html", cookie: "a=1", "x-api-key": "secret" };
    await rig.cache.put(new Request(A, { headers }), new Response("x"));
    const [request] = await rig.cache.keys();
    assert.equal([...request!.headers], [["accept", "text/html"]]);
  });

  test("delete() removes all that match, and says whether there were any", async () => {
    assert.is(await rig.cache.delete(A), false);
    for (const url of [A, `${A}?q=1`, CAT]) await rig.cache.put(url, new Response("x"));
    assert.is(await rig.cache.delete(new Request(A, { method: "HEAD" })), false);
    assert.is(await rig.cache.delete(new Request(A, { method: "HEAD" }), { ignoreMethod: true }), true);
    assert.is(await rig.cache.delete(A), false);
    assert.is(await rig.cache.delete(A, { ignoreSearch: true }), true);
    assert.equal(urls(await rig.cache.keys()), [CAT]);
    const vary = { headers: { vary: "x" } };
    await rig.cache.put(new Request(A, { headers: { x: "1" } }), new Response("x", vary));
    assert.is(await rig.cache.delete(A), false);
    assert.is(await rig.cache.delete(A, { ignoreVary: true }), true);
  });

  test("add() fetches and stores, again too, and refuses what is not 2xx", async () => {
    rig.answers.set(A, () => new Response("fetched"));
    assert.is(await rig.cache.add(A), undefined);
    await rig.cache.add(new Request(A));
    assert.is(await text(A), "fetched");
    assert.equal(rig.fetched, [A, A]);
    for (const status of [206, 404, 500]) {
      rig.answers.set(CAT, () => new Response("x", { status }));
      assert.is(await refused(rig.cache.add(CAT)), "TypeError");
    }
    assert.is(await refused(rig.cache.add("https://example.com/none")), "TypeError");
    for (const wrong of [undefined, "javascript://x", new Request(A, { method: "POST" })]) {
      assert.is(await refused(rig.cache.add(wrong as string)), "TypeError");
    }
    assert.equal(urls(await rig.cache.keys()), [A]);
  });

  test("addAll() stores all or nothing", async () => {
    assert.is(await rig.cache.addAll([]), undefined);
    rig.answers.set(A, () => new Response("a"));
    rig.answers.set(CAT, () => new Response("cat"));
    assert.is(await refused(rig.cache.addAll([A, "https://example.com/none", CAT])), "TypeError");
    assert.is(await refused(rig.cache.addAll([A, undefined as unknown as string])), "TypeError");
    assert.equal(await rig.cache.keys(), []);
    await rig.cache.addAll([A, new Request(CAT)]);
    assert.equal(urls(await rig.cache.keys()), [A, CAT]);
  });

  test("addAll() refuses requests of which one would replace another", async () => {
    rig.answers.set(A, () => new Response("a", { headers: { vary: "x-shape" } }));
    rig.answers.set(`${A}#two`, () => new Response("a", { headers: { vary: "x-shape" } }));
    const request = new Request(A);
    const shaped = (shape: string) => new Request(A, { headers: { "x-shape": shape } });
    assert.is(await refused(rig.cache.addAll([request, request])), "InvalidStateError");
    assert.is(await refused(rig.cache.addAll([A, `${A}#two`])), "InvalidStateError");
    assert.is(await refused(rig.cache.addAll([shaped("round"), shaped("round")])), "InvalidStateError");
    assert.equal(await rig.cache.keys(), []);
    assert.is(await rig.cache.addAll([shaped("round"), shaped("square")]), undefined);
  });

  test("open(), has(), keys() and delete() of rig.caches go by the exact name", async () => {
    const names = ["lower", "", "has a space", "a\u0000b", "unpaired\ud800", '"quoted" {x}', "__proto__"];
    for (const name of names) await rig.caches.open(name);
    assert.equal(await rig.caches.keys(), ["pages", ...names]);
    for (const name of names) assert.ok(await rig.caches.has(name));
    for (const name of ["Lower", " lower", "has", "a", "ab", "unpaired\ufffd"]) assert.not(await rig.caches.has(name));
    assert.is(await refused(rig.caches.open(undefined as unknown as string)), "TypeError");
    await (await rig.caches.open("lower")).put(A, new Response("x"));
    assert.equal(urls(await (await rig.caches.open("lower")).keys()), [A]);
    assert.is(await rig.caches.delete("lower"), true);
    assert.is(await rig.caches.delete("lower"), false);
    assert.not(await rig.caches.has("lower"));
    assert.equal(await (await rig.caches.open("lower")).keys(), []);
  });

  test("match() of all rig.caches takes the first that has it, or the one that is named", async () => {
    const second = await rig.caches.open("second");
    await second.put(A, new Response("second"));
    await rig.cache.put(CAT, new Response("first cat"));
    await second.put(CAT, new Response("second cat"));
    assert.is(await (await rig.caches.match(A))!.text(), "second");
    assert.is(await (await rig.caches.match(CAT))!.text(), "first cat");
    assert.is(await (await rig.caches.match(CAT, { cacheName: "second" }))!.text(), "second cat");
    assert.is(await rig.caches.match(A, { cacheName: "pages" }), undefined);
    assert.is(await rig.caches.match(A, { cacheName: "none" }), undefined);
    assert.not(await rig.caches.has("none"));
    assert.is(await rig.caches.match("https://example.com/none"), undefined);
  });

  test.run();
}
