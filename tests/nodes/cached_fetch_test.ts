/**
 * `httpRequest` nodes with `cache`, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Caches } from "../../src/caches/caches.ts";
import { InvalidWorkflowError } from "../../src/lib/errors.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import { Locks } from "../../src/locks/locks.ts";
import type { Store } from "../../src/storage/store.ts";
import { chain, openWholeApp } from "../http/whole_app.ts";
import { eventually } from "../support/eventually.ts";
import { drivers } from "../storage/drivers.ts";
import { answer, call, failure, openSite, seen } from "./http_site.ts";

const { origin, close } = await openSite();
const cache = { ttlSeconds: 60 };

const fieldOf = ({ headers }: JsonObject, name: string) => String((headers as JsonObject)[name]);

/** A port with some of its methods replaced. */
function replacing<Port extends object>(port: Port, methods: Partial<Port>): Port {
  return new Proxy(port, {
    get(target, name) {
      const member = Reflect.get(methods, name) ?? Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

for (const driver of drivers()) {
  const test = suite(`httpRequest with a cache on ${driver.name}`);
  let store: Store;
  let other: Store;
  let caches: Caches;
  /** The clock of the caches stands still in a test, so that ages are exact, except for how far on it is set. */
  let begun = 0;
  let later = 0;
  /** Tells one test's calls from another's. */
  let url = "";
  let tests = 0;

  const cachesOf = ({ caches, locks }: Pick<Store, "caches" | "locks">) =>
    new Caches({ store: caches, now: () => begun + later, locks: new Locks({ store: locks, clientId: "test" }) });
  const statusOf = (output: JsonObject) => fieldOf(output, "cache-status");
  /** What is stored is known a little later than the answer. */
  const kept = (parameters: object) =>
    eventually(async () => {
      const output = await answer(parameters, { caches });
      return statusOf(output).includes("; hit") && output;
    }, "it is kept");

  test.before(async () => {
    store = await driver.open("a", { maxWaiters: 200 });
    other = driver.isShared ? await driver.open("b") : store;
    caches = cachesOf(store);
  });
  test.before.each(() => {
    begun = store.clock.now();
    later = 0;
    seen.length = 0;
    url = `${origin}/fields?x-test=${tests++}`;
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    if (other !== store) await other[Symbol.asyncDispose]();
    await driver.clean();
  });

  test("a hundred at once make one call, on two instances, and all get its answer", async () => {
    const instances = [caches, cachesOf(other)];
    const outputs = await Promise.all(Array.from({ length: 100 }, (_, n) =>
      answer({ url, cache }, {
        caches: driver.isShared ? instances[n % 2]! : caches,
        context: { idempotencyKey: `${n}:node`, traceparent: `00-${String(n).padStart(32, "0")}-b7ad6b7169203331-01` },
      })));
    assert.is(seen.length, 1);
    assert.equal(new Set(outputs.map(({ body }) => body)), new Set(["1"]));
    assert.is(outputs.filter((output) => statusOf(output) === "Millrace; fwd=miss; stored").length, 1);
    const again = await answer({ url, cache }, { caches: instances[1]! });
    assert.match(statusOf(again), /^Millrace; hit; ttl=\d+$/);
    assert.match(fieldOf(again, "age"), /^\d+$/);
    assert.is(seen.length, 1);
  });

  test("a hundred executions at once make one call", async () => {
    let calls = 0;
    const fetch = async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 30));
      return Response.json({ call: calls });
    };
    const own = await driver.open("whole", { maxWaiters: 200 });
    await using whole = await openWholeApp({ store: own, fetch, deps: { caches: cachesOf(own) } });
    await whole.catalog.put("rates", chain("rates", [{ id: "get", type: "httpRequest", parameters: { url, cache } }]));
    const responses = await Promise.all(
      Array.from({ length: 100 }, () => whole.app.request("/webhook/rates", { method: "POST" })),
    );
    const bodies = await Promise.all(responses.map(async (response) => (await response.json()).body.call));
    assert.equal(new Set(bodies), new Set([1]));
    assert.is(calls, 1);
  });

  test("another query, method, header or credential is another call; a fragment is not", async () => {
    await kept({ url, cache });
    seen.length = 0;
    assert.match(statusOf(await answer({ url: `${url}#part`, cache }, { caches })), /hit/);
    const others = [
      { query: { a: 1 } },
      { method: "HEAD" },
      { headers: { "accept-language": "de" } },
      { headers: { authorization: "Bearer 1" } },
      { headers: { authorization: "Bearer 2" } },
      { headers: { "x-api-key": "Bearer 2" } },
    ];
    for (const other of others) {
      assert.is(statusOf(await answer({ url, cache, ...other }, { caches })), "Millrace; fwd=miss; stored");
      await kept({ url, cache, ...other });
    }
    assert.is(seen.length, others.length);
    assert.is(JSON.stringify(await (await caches.open("httpRequest:orders")).keys()).includes("Bearer"), false);
  });

  test("the answer's own fields count before ttlSeconds", async () => {
    for (
      const fields of ["cache-control=no-store", "cache-control=private", "set-cookie=a", "cache-control=max-age=0"]
    ) {
      for (let n = 0; n < 2; n++) {
        assert.is(statusOf(await answer({ url: `${url}&${fields}`, cache }, { caches })), "Millrace; fwd=miss", fields);
      }
    }
    assert.is(seen.length, 8);
    assert.is(statusOf(await answer({ url, cache: {} }, { caches })), "Millrace; fwd=miss");
    const brief = { url: `${url}&cache-control=max-age=5`, cache };
    await kept(brief);
    await kept({ url, cache });
    seen.length = 0;
    later = 10_000;
    assert.match(statusOf(await answer({ url, cache }, { caches })), /hit; ttl=(49|50)/);
    assert.match(statusOf(await answer(brief, { caches })), /fwd=miss/);
    later = 61_000;
    assert.match(statusOf(await answer({ url, cache }, { caches })), /fwd=miss/);
    assert.is(seen.length, 2);
  });

  test("no-cache in the request calls anew, for those who come after too", async () => {
    assert.is((await kept({ url, cache })).body, "1");
    assert.is((await answer({ url, cache, headers: { "Cache-Control": "no-cache" } }, { caches })).body, "2");
    await eventually(async () => (await answer({ url, cache }, { caches })).body === "2", "it was renewed");
    assert.is(seen.length, 2);
  });

  test("what a node does not accept is kept for nobody, nor given to it", async () => {
    const missing = { url: `${origin}/status/404?${url}`, cache };
    for (let n = 0; n < 2; n++) assert.is((await failure(missing, { caches })).code, "http_status");
    assert.is(seen.length, 2);
    await kept({ ...missing, acceptStatus: [404] });
    assert.is((await failure(missing, { caches })).code, "http_status");
    assert.is(seen.length, 3);
  });

  test("an address that is not public is refused as ever", async () => {
    for (let n = 0; n < 2; n++) {
      assert.is((await failure({ url, cache }, { caches, allow: [] })).code, "http_blocked");
    }
    assert.is(seen.length, 0);
  });

  test("bodies are within maxBytes, called for or kept, and the same bytes", async () => {
    const binary = { url: `${origin}/binary?${url}`, cache };
    assert.is((await failure({ ...binary, maxBytes: 2 }, { caches })).code, "response_too_large");
    assert.equal((await kept(binary)).body, { base64: "AP8B" });
    assert.is((await failure({ ...binary, maxBytes: 2 }, { caches })).code, "response_too_large");
    assert.is(seen.length, 2);
    assert.is(
      (await failure({ url: `${origin}/endless?${url}`, cache, maxBytes: 100_000 }, { caches })).code,
      "response_too_large",
    );
  });

  test("each step of a redirect goes by its own fields", async () => {
    const from = `${origin}/redirect?to=${encodeURIComponent(url)}`;
    for (let n = 0; n < 2; n++) {
      assert.is((await answer({ url: from, cache }, { caches })).status, 200);
      await kept({ url, cache });
    }
    assert.equal(seen.map(({ url }) => url.slice(0, 9)), ["/redirect", "/fields?x", "/redirect"]);
  });

  test("an execution that is cancelled ends at once, and whoever waits for its call gets the answer", async () => {
    const controller = new AbortController();
    const reason = new Error("cancelled");
    const first = failure({ url, cache }, { caches, context: { signal: controller.signal } });
    const second = answer({ url, cache }, { caches });
    await eventually(() => Promise.resolve(seen.length === 1), "it is called");
    controller.abort(reason);
    assert.is(await first, reason);
    assert.is((await second).body, "1");
    const late = await failure({ url: `${origin}/never?${url}`, cache, timeoutSeconds: 0.1 }, { caches });
    assert.is(late.code, "http_timeout");
  });

  test("a cache that does not answer, or loses the body, fails nobody", async () => {
    const away = () => Promise.reject(new Error("away"));
    const gone = cachesOf({
      caches: replacing(store.caches, { find: away, put: away, claim: away }),
      locks: replacing(store.locks, { acquire: away }),
    });
    for (let n = 1; n <= 2; n++) assert.is((await answer({ url, cache }, { caches: gone })).body, String(n));
    await kept({ url, cache });
    const broken = () => new ReadableStream<Uint8Array<ArrayBuffer>>({ pull: () => away() });
    const find = async (name: string, url: string) =>
      (await store.caches.find(name, url)).map((found) => ({ ...found, body: broken }));
    const torn = cachesOf({ locks: store.locks, caches: replacing(store.caches, { find }) });
    const output = await answer({ url, cache }, { caches: torn });
    assert.equal([output.body, statusOf(output)], ["4", "Millrace; fwd=bypass"]);
  });

  test.run();
}

const test = suite("httpRequest with a cache");
test.after(close);

test("a method that changes something is refused, and so is a lifetime that is none", async () => {
  for (const parameters of [{ method: "POST", cache }, { cache: { ttlSeconds: 0 } }, { cache: { mode: "x" } }]) {
    const error = await failureOf(() => call({ url: origin, ...parameters }));
    assert.instance(error, InvalidWorkflowError);
    assert.match(JSON.stringify((error as InvalidWorkflowError).faults), /\/nodes\/1\/parameters\/cache/);
  }
});

test("without a cache to be had the node calls each time", async () => {
  seen.length = 0;
  for (let n = 0; n < 2; n++) assert.is((await answer({ url: origin, cache })).status, 200);
  assert.is(seen.length, 2);
});

async function failureOf(work: () => Promise<unknown>): Promise<unknown> {
  return await Promise.resolve().then(work).then(() => undefined, (error: unknown) => error);
}

test.run();
