/**
 * The Cache API (Service Workers, sections 5.4 and 5.5) over every driver: own cases after the specification, one for
 * each of what the Web Platform Tests look at in service-workers/cache-storage and that needs no browser.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WebCache } from "../../src/caches/cache.ts";
import { Caches } from "../../src/caches/caches.ts";
import type { Store } from "../../src/storage/store.ts";
import { drivers } from "../storage/drivers.ts";

const A = "https://example.com/a";
const CAT = "https://example.com/cat";

for (const driver of drivers()) {
  const test = suite(`Cache on ${driver.name}`);
  let store: Store;
  let caches: Caches;
  let cache: WebCache;
  let answers: Map<string, () => Response>;
  let fetched: string[];

  test.before(async () => {
    store = await driver.open("a");
  });
  test.before.each(async () => {
    answers = new Map();
    fetched = [];
    caches = new Caches({
      store: store.caches,
      now: () => store.clock.now(),
      fetch: (input) => {
        const { url } = input as Request;
        fetched.push(url);
        const answer = answers.get(url);
        return answer === undefined ? Promise.reject(new TypeError("fetch failed")) : Promise.resolve(answer());
      },
    });
    for (const name of await caches.keys()) await caches.delete(name);
    cache = await caches.open("pages");
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  const refused = async (work: Promise<unknown>) => await work.then(() => "not refused", (error) => error.name);
  const texts = async (responses: readonly Response[]) => await Promise.all(responses.map((it) => it.text()));
  const urls = (requests: readonly Request[]) => requests.map(({ url }) => url);
  const text = async (input: RequestInfo, options?: CacheQueryOptions) => (await cache.match(input, options))?.text();

  test("put() stores status, status text, headers and body, and resolves with undefined", async () => {
    const response = new Response("hello", {
      status: 201,
      statusText: "Made",
      headers: [["content-type", "text/plain"], ["x-a", "1"], ["x-a", "2"]],
    });
    assert.is(await cache.put(new Request(A), response), undefined);
    const found = (await cache.match(A))!;
    assert.is(found.status, 201);
    assert.is(found.statusText, "Made");
    assert.is(found.headers.get("content-type"), "text/plain");
    assert.is(found.headers.get("x-a"), "1, 2");
    assert.is(found.headers.get("age"), "0");
    assert.is(await found.text(), "hello");
  });

  test("put() takes a string, a URL and a Request", async () => {
    for (const input of [A, new URL(A), new Request(A)]) {
      await cache.put(input, new Response(String(input.constructor.name)));
      assert.is(await text(A), input.constructor.name);
    }
  });

  test("put() keeps what has no body apart from what has an empty one", async () => {
    const [request, none, empty] = [new Request(A), new Response(null), new Response("")];
    await cache.put(request, none);
    assert.not(request.bodyUsed);
    assert.not(none.bodyUsed);
    assert.is((await cache.match(A))!.body, null);
    await cache.put(A, empty);
    assert.is.not((await cache.match(A))!.body, null);
    assert.is(await text(A), "");
    await cache.put(A, new Response(null, { status: 204 }));
    assert.is((await cache.match(A))!.status, 204);
  });

  test("put() stores a response of any status but 206", async () => {
    for (const status of [200, 302, 404, 500]) {
      await cache.put(A, new Response("x", { status }));
      assert.is((await cache.match(A))!.status, status);
    }
    assert.is(await refused(cache.put(A, new Response("x", { status: 206 }))), "TypeError");
  });

  test("put() replaces what matches, without regard to the fragment", async () => {
    await cache.put(A, new Response("old", { statusText: "Old" }));
    await cache.put(`${A}#part`, new Response("new", { statusText: "New" }));
    assert.is((await cache.match(A))!.statusText, "New");
    assert.is(await text(A), "new");
    assert.equal(urls(await cache.keys()), [A]);
  });

  test("put() refuses what is no Response, no GET and no HTTP", async () => {
    for (const wrong of ["text", null, undefined, {}]) {
      assert.is(await refused(cache.put(A, wrong as unknown as Response)), "TypeError");
    }
    for (const method of ["HEAD", "POST"]) {
      assert.is(await refused(cache.put(new Request(A, { method }), new Response("x"))), "TypeError");
    }
    for (const url of ["file:///etc/passwd", "data:text/plain,a", "relative"]) {
      assert.is(await refused(cache.put(url, new Response("x"))), "TypeError");
    }
    assert.is(await refused(cache.put(A, Response.error())), "TypeError");
  });

  test("put() takes the body for itself, and refuses one that was used or is being read", async () => {
    const response = new Response("x");
    const putting = cache.put(A, response);
    await putting;
    assert.throws(() => response.body!.getReader(), TypeError);
    assert.is(await refused(cache.put(A, response)), "TypeError");
    const locked = new Response("x");
    locked.body!.getReader();
    assert.is(await refused(cache.put(A, locked)), "TypeError");
  });

  test("put() refuses Vary: *, embedded too", async () => {
    for (const vary of ["*", "Accept-Language, *"]) {
      assert.is(await refused(cache.put(A, new Response("x", { headers: { vary } }))), "TypeError");
    }
  });

  test("put() of a body that fails changes nothing", async () => {
    await cache.put(A, new Response("kept"));
    for (const size of [10, 600_000]) {
      const body = new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(size));
          controller.error(new Error("broken"));
        },
      });
      assert.is(await refused(cache.put(A, new Response(body))), "Error");
    }
    assert.is(await text(A), "kept");
  });

  test("bodies of all sizes and of any bytes come back as they were, as streams, as often as they are asked for", async () => {
    for (const size of [0, 1, 8191, 8192, 8193, 262_144, 700_001]) {
      const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 255);
      const chunks = [bytes.subarray(0, size / 3), bytes.subarray(size / 3)];
      const body = new ReadableStream({
        start(controller) {
          for (const chunk of chunks) controller.enqueue(chunk);
          controller.close();
        },
      });
      await cache.put(A, new Response(body));
      for (let n = 0; n < 2; n++) {
        const found = (await cache.match(A))!;
        const clone = found.clone();
        assert.ok(Buffer.from(await clone.arrayBuffer()).equals(Buffer.from(bytes)), `${size} bytes`);
      }
    }
  });

  test("a body that is being read comes to its end though its response is removed", async () => {
    const bytes = new Uint8Array(1_000_000).fill(7);
    await cache.put(A, new Response(bytes));
    const reader = (await cache.match(A))!.body!.getReader();
    let length = (await reader.read()).value!.length;
    await cache.delete(A);
    assert.is(await cache.match(A), undefined);
    for (let next = await reader.read(); !next.done; next = await reader.read()) length += next.value.length;
    assert.is(length, bytes.length);
  });

  test("match() resolves with undefined for what is not there, and compares whole URLs", async () => {
    await cache.put(`${A}?q=1`, new Response("query"));
    await cache.put(CAT, new Response("cat"));
    for (const url of [A, "https://example.com/c", "https://example.com/CAT", "http://example.com/cat"]) {
      assert.is(await cache.match(url), undefined, url);
    }
    assert.is(await text(`${CAT}#mouse`), "cat");
    assert.is(await text(new Request(CAT)), "cat");
    assert.is(await refused(cache.match(undefined as unknown as string)), "TypeError");
  });

  test("match() with ignoreSearch, ignoreMethod and ignoreVary", async () => {
    await cache.put(A, new Response("a"));
    assert.is(await text(`${A}?q=2`, { ignoreSearch: true }), "a");
    await cache.put(`${CAT}?q=1`, new Response("query"));
    assert.is(await text(CAT, { ignoreSearch: true }), "query");
    for (const method of ["HEAD", "POST"]) {
      assert.is(await cache.match(new Request(A, { method })), undefined);
      assert.is(await text(new Request(A, { method }), { ignoreMethod: true }), "a");
    }
    await cache.put(
      new Request(A, { headers: { cookies: "is" } }),
      new Response("v", { headers: { vary: "Cookies" } }),
    );
    await cache.delete(A);
    assert.is(await cache.match(A), undefined);
    assert.is(await text(A, { ignoreVary: true }), "v");
  });

  test("match() goes by Vary, by the values of each of its fields", async () => {
    const as = (headers: Record<string, string>) => new Request(A, { headers });
    const vary = { headers: { vary: "Accept-Language, COOKIE , authorization" } };
    const both = { ...vary.headers, "cache-control": "public, max-age=60" };
    await cache.put(as({ "accept-language": "de" }), new Response("de", vary));
    await cache.put(as({ "accept-language": "de", cookie: "a=1" }), new Response("de, a=1", vary));
    await cache.put(as({ authorization: "Bearer 1" }), new Response("one's", { headers: both }));
    assert.is(await text(as({ "accept-language": "de" })), "de");
    assert.is(await text(as({ "accept-language": "de", cookie: "a=1" })), "de, a=1");
    assert.is(await text(as({ authorization: "Bearer 1" })), "one's");
    for (const other of [{}, { "accept-language": "en" }, { cookie: "a=1" }, { authorization: "Bearer 2" }]) {
      assert.is(await cache.match(as(other)), undefined, JSON.stringify(other));
    }
    assert.is((await cache.matchAll(A, { ignoreVary: true })).length, 3);
    assert.is(await cache.delete(as({ "accept-language": "de" })), true);
    assert.is((await cache.matchAll(A, { ignoreVary: true })).length, 2);
  });

  test("match() takes the newest of several that match (RFC 9111, section 4.1)", async () => {
    await cache.put(new Request(A, { headers: { x: "1" } }), new Response("by x", { headers: { vary: "x" } }));
    await cache.put(new Request(A, { headers: { x: "2" } }), new Response("by y", { headers: { vary: "y" } }));
    assert.is(await text(new Request(A, { headers: { x: "1" } })), "by y");
  });

  test("match() does not go by the URL of the response", async () => {
    const response = new Response("x");
    Object.defineProperty(response, "url", { value: CAT });
    await cache.put(A, response);
    assert.is(await cache.match(CAT), undefined);
    assert.is(await text(A), "x");
  });

  test("matchAll() gives all that match, or all there are, in the order in which they were stored", async () => {
    assert.equal(await cache.matchAll(), []);
    for (const url of [CAT, A, `${A}?q=1`]) await cache.put(url, new Response(url));
    assert.equal(await texts(await cache.matchAll()), [CAT, A, `${A}?q=1`]);
    assert.equal(await texts(await cache.matchAll(A)), [A]);
    assert.equal(await texts(await cache.matchAll(A, { ignoreSearch: true })), [A, `${A}?q=1`]);
    assert.equal(await cache.matchAll(new Request(A, { method: "HEAD" })), []);
    assert.equal(await texts(await cache.matchAll(new Request(A, { method: "HEAD" }), { ignoreMethod: true })), [A]);
    assert.equal(await cache.matchAll("https://example.com/none"), []);
  });

  test("keys() gives the requests in the order in which they were stored, the last put last", async () => {
    assert.equal(await cache.keys(), []);
    for (let n = 0; n < 230; n++) await cache.put(`${A}/${n}`, new Response("x"));
    await cache.put(`${A}/0`, new Response("again"));
    const all = urls(await cache.keys());
    assert.is(all.length, 230);
    assert.is(all[0], `${A}/1`);
    assert.is(all.at(-1), `${A}/0`);
    assert.equal(urls(await cache.keys(`${A}/7`)), [`${A}/7`]);
    assert.equal(urls(await cache.keys(`${A}/7?q`, { ignoreSearch: true })), [`${A}/7`]);
    assert.equal(await cache.keys(new Request(`${A}/7`, { method: "HEAD" })), []);
  });

  test("keys() gives the headers of the requests, without their credentials", async () => {
    const headers = { accept: "text/html", cookie: "a=1", "x-api-key": "secret" };
    await cache.put(new Request(A, { headers }), new Response("x"));
    const [request] = await cache.keys();
    assert.equal([...request!.headers], [["accept", "text/html"]]);
  });

  test("delete() removes all that match, and says whether there were any", async () => {
    assert.is(await cache.delete(A), false);
    for (const url of [A, `${A}?q=1`, CAT]) await cache.put(url, new Response("x"));
    assert.is(await cache.delete(new Request(A, { method: "HEAD" })), false);
    assert.is(await cache.delete(new Request(A, { method: "HEAD" }), { ignoreMethod: true }), true);
    assert.is(await cache.delete(A), false);
    assert.is(await cache.delete(A, { ignoreSearch: true }), true);
    assert.equal(urls(await cache.keys()), [CAT]);
    const vary = { headers: { vary: "x" } };
    await cache.put(new Request(A, { headers: { x: "1" } }), new Response("x", vary));
    assert.is(await cache.delete(A), false);
    assert.is(await cache.delete(A, { ignoreVary: true }), true);
  });

  test("add() fetches and stores, again too, and refuses what is not 2xx", async () => {
    answers.set(A, () => new Response("fetched"));
    assert.is(await cache.add(A), undefined);
    await cache.add(new Request(A));
    assert.is(await text(A), "fetched");
    assert.equal(fetched, [A, A]);
    for (const status of [206, 404, 500]) {
      answers.set(CAT, () => new Response("x", { status }));
      assert.is(await refused(cache.add(CAT)), "TypeError");
    }
    assert.is(await refused(cache.add("https://example.com/none")), "TypeError");
    for (const wrong of [undefined, "javascript://x", new Request(A, { method: "POST" })]) {
      assert.is(await refused(cache.add(wrong as string)), "TypeError");
    }
    assert.equal(urls(await cache.keys()), [A]);
  });

  test("addAll() stores all or nothing", async () => {
    assert.is(await cache.addAll([]), undefined);
    answers.set(A, () => new Response("a"));
    answers.set(CAT, () => new Response("cat"));
    assert.is(await refused(cache.addAll([A, "https://example.com/none", CAT])), "TypeError");
    assert.is(await refused(cache.addAll([A, undefined as unknown as string])), "TypeError");
    assert.equal(await cache.keys(), []);
    await cache.addAll([A, new Request(CAT)]);
    assert.equal(urls(await cache.keys()), [A, CAT]);
  });

  test("addAll() refuses requests of which one would replace another", async () => {
    answers.set(A, () => new Response("a", { headers: { vary: "x-shape" } }));
    answers.set(`${A}#two`, () => new Response("a", { headers: { vary: "x-shape" } }));
    const request = new Request(A);
    const shaped = (shape: string) => new Request(A, { headers: { "x-shape": shape } });
    assert.is(await refused(cache.addAll([request, request])), "InvalidStateError");
    assert.is(await refused(cache.addAll([A, `${A}#two`])), "InvalidStateError");
    assert.is(await refused(cache.addAll([shaped("round"), shaped("round")])), "InvalidStateError");
    assert.equal(await cache.keys(), []);
    assert.is(await cache.addAll([shaped("round"), shaped("square")]), undefined);
  });

  test("open(), has(), keys() and delete() of caches go by the exact name", async () => {
    const names = ["lower", "", "has a space", "a\u0000b", "unpaired\ud800", '"quoted" {x}', "__proto__"];
    for (const name of names) await caches.open(name);
    assert.equal(await caches.keys(), ["pages", ...names]);
    for (const name of names) assert.ok(await caches.has(name));
    for (const name of ["Lower", " lower", "has", "a", "ab", "unpaired\ufffd"]) assert.not(await caches.has(name));
    assert.is(await refused(caches.open(undefined as unknown as string)), "TypeError");
    await (await caches.open("lower")).put(A, new Response("x"));
    assert.equal(urls(await (await caches.open("lower")).keys()), [A]);
    assert.is(await caches.delete("lower"), true);
    assert.is(await caches.delete("lower"), false);
    assert.not(await caches.has("lower"));
    assert.equal(await (await caches.open("lower")).keys(), []);
  });

  test("match() of all caches takes the first that has it, or the one that is named", async () => {
    const second = await caches.open("second");
    await second.put(A, new Response("second"));
    await cache.put(CAT, new Response("first cat"));
    await second.put(CAT, new Response("second cat"));
    assert.is(await (await caches.match(A))!.text(), "second");
    assert.is(await (await caches.match(CAT))!.text(), "first cat");
    assert.is(await (await caches.match(CAT, { cacheName: "second" }))!.text(), "second cat");
    assert.is(await caches.match(A, { cacheName: "pages" }), undefined);
    assert.is(await caches.match(A, { cacheName: "none" }), undefined);
    assert.not(await caches.has("none"));
    assert.is(await caches.match("https://example.com/none"), undefined);
  });

  test.run();
}
