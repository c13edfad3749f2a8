/**
 * The Cache API (Service Workers, sections 5.4 and 5.5) over every driver: own cases after the specification, one for
 * each of what the Web Platform Tests look at in service-workers/cache-storage and that needs no browser. Here what is
 * stored, in `cache_queries_test.ts` what is found.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drivers } from "../storage/drivers.ts";
import { cacheRig, refused } from "./cache_rig.ts";

const A = "https://example.com/a";

for (const driver of drivers()) {
  const test = suite(`Cache on ${driver.name}`);
  const rig = cacheRig(test, driver);

  const urls = (requests: readonly Request[]) => requests.map(({ url }) => url);
  const text = async (input: RequestInfo, options?: CacheQueryOptions) =>
    (await rig.cache.match(input, options))?.text();

  test("put() stores status, status text, headers and body, and resolves with undefined", async () => {
    const response = new Response("hello", {
      status: 201,
      statusText: "Made",
      headers: [["content-type", "text/plain"], ["x-a", "1"], ["x-a", "2"]],
    });
    assert.is(await rig.cache.put(new Request(A), response), undefined);
    const found = (await rig.cache.match(A))!;
    assert.is(found.status, 201);
    assert.is(found.statusText, "Made");
    assert.is(found.headers.get("content-type"), "text/plain");
    assert.is(found.headers.get("x-a"), "1, 2");
    assert.is(found.headers.get("age"), "0");
    assert.is(await found.text(), "hello");
  });

  test("put() takes a string, a URL and a Request", async () => {
    for (const input of [A, new URL(A), new Request(A)]) {
      await rig.cache.put(input, new Response(String(input.constructor.name)));
      assert.is(await text(A), input.constructor.name);
    }
  });

  test("put() keeps what has no body apart from what has an empty one", async () => {
    const [request, none, empty] = [new Request(A), new Response(null), new Response("")];
    await rig.cache.put(request, none);
    assert.not(request.bodyUsed);
    assert.not(none.bodyUsed);
    assert.is((await rig.cache.match(A))!.body, null);
    await rig.cache.put(A, empty);
    assert.is.not((await rig.cache.match(A))!.body, null);
    assert.is(await text(A), "");
    await rig.cache.put(A, new Response(null, { status: 204 }));
    assert.is((await rig.cache.match(A))!.status, 204);
  });

  test("put() stores a response of any status but 206", async () => {
    for (const status of [200, 302, 404, 500]) {
      await rig.cache.put(A, new Response("x", { status }));
      assert.is((await rig.cache.match(A))!.status, status);
    }
    assert.is(await refused(rig.cache.put(A, new Response("x", { status: 206 }))), "TypeError");
  });

  test("put() replaces what matches, without regard to the fragment", async () => {
    await rig.cache.put(A, new Response("old", { statusText: "Old" }));
    await rig.cache.put(`${A}#part`, new Response("new", { statusText: "New" }));
    assert.is((await rig.cache.match(A))!.statusText, "New");
    assert.is(await text(A), "new");
    assert.equal(urls(await rig.cache.keys()), [A]);
  });

  test("put() keeps fifty responses under one URL, and lets go first what was stored first", async () => {
    const asked = (n: number) => new Request(A, { headers: { "x-n": String(n) } });
    await rig.cache.put(`${A}?other`, new Response("other"));
    for (let n = 0; n < 60; n++) {
      await rig.cache.put(asked(n), new Response(n % 2 === 0 ? null : `${n}`, { headers: { vary: "x-n" } }));
    }
    const left = await rig.cache.keys(A, { ignoreVary: true });
    assert.equal(left.map(({ headers }) => Number(headers.get("x-n"))), Array.from({ length: 50 }, (_, n) => 10 + n));
    assert.is(await rig.cache.match(asked(9)), undefined);
    assert.is(await text(asked(11)), "11");
    assert.is(await text(`${A}?other`), "other");
  });

  test("put() refuses what is no Response, no GET and no HTTP", async () => {
    for (const wrong of ["text", null, undefined, {}]) {
      assert.is(await refused(rig.cache.put(A, wrong as unknown as Response)), "TypeError");
    }
    for (const method of ["HEAD", "POST"]) {
      assert.is(await refused(rig.cache.put(new Request(A, { method }), new Response("x"))), "TypeError");
    }
    for (const url of ["file:///etc/passwd", "data:text/plain,a", "relative"]) {
      assert.is(await refused(rig.cache.put(url, new Response("x"))), "TypeError");
    }
    assert.is(await refused(rig.cache.put(A, Response.error())), "TypeError");
  });

  test("put() takes the body for itself, and refuses one that was used or is being read", async () => {
    const response = new Response("x");
    const putting = rig.cache.put(A, response);
    await putting;
    assert.throws(() => response.body!.getReader(), TypeError);
    assert.is(await refused(rig.cache.put(A, response)), "TypeError");
    const locked = new Response("x");
    locked.body!.getReader();
    assert.is(await refused(rig.cache.put(A, locked)), "TypeError");
  });

  test("put() refuses Vary: *, embedded too", async () => {
    for (const vary of ["*", "Accept-Language, *"]) {
      assert.is(await refused(rig.cache.put(A, new Response("x", { headers: { vary } }))), "TypeError");
    }
  });

  test("put() of a body that fails changes nothing", async () => {
    await rig.cache.put(A, new Response("kept"));
    for (const size of [10, 600_000]) {
      const body = new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(size));
          controller.error(new Error("broken"));
        },
      });
      assert.is(await refused(rig.cache.put(A, new Response(body))), "Error");
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
      await rig.cache.put(A, new Response(body));
      for (let n = 0; n < 2; n++) {
        const found = (await rig.cache.match(A))!;
        const clone = found.clone();
        assert.ok(Buffer.from(await clone.arrayBuffer()).equals(Buffer.from(bytes)), `${size} bytes`);
      }
    }
  });

  test("a body that is being read comes to its end though its response is removed", async () => {
    const bytes = new Uint8Array(1_000_000).fill(7);
    await rig.cache.put(A, new Response(bytes));
    const reader = (await rig.cache.match(A))!.body!.getReader();
    let length = (await reader.read()).value!.length;
    await rig.cache.delete(A);
    assert.is(await rig.cache.match(A), undefined);
    for (let next = await reader.read(); !next.done; next = await reader.read()) length += next.value.length;
    assert.is(length, bytes.length);
  });

  test.run();
}
