/**
 * `settings.cache`: answers of webhooks that are kept.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CacheCounter } from "../../../src/caches/cache_counter.ts";
import { Caches } from "../../../src/caches/caches.ts";
import type { Locks } from "../../../src/locks/locks.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import { Crowd } from "../../caches/crowd.ts";
import { eventually } from "../../support/eventually.ts";
import { json, post } from "../harness.ts";
import { chain, openWholeApp, type WholeApp, type WholeAppOptions } from "../whole_app.ts";

/** Answers with a number that each execution has for itself. */
const COUNT = {
  id: "count",
  type: "transform",
  parameters: { output: { id: "{{ $execution.id }}", body: "{{ body }}" } },
};

interface Opened extends WholeApp {
  readonly counter: CacheCounter;
  later(ms: number): void;
}

async function open(
  settings: object,
  nodes: Parameters<typeof chain>[1] = [COUNT],
  { crowd, locks, timeoutSeconds = 300, ...options }:
    & { crowd?: Crowd; locks?: Pick<Locks, "acquire">; timeoutSeconds?: number }
    & Pick<WholeAppOptions, "config" | "fetch"> = {},
): Promise<Opened> {
  const store = createMemoryStore({ instance: "test", maxWaiters: 100 });
  let later = 0;
  // It stands still otherwise: ages are compared to the second.
  const begun = store.clock.now();
  const now = () => begun + later;
  const counter = new CacheCounter({ store: store.caches, now });
  const caches = new Caches({
    store: crowd?.before(store.caches) ?? store.caches,
    now,
    ...(locks && { locks: locks as Locks }),
    onLookup: (cache, lookup, bytes) => counter.add(cache, lookup, bytes),
  });
  const whole = await openWholeApp({ store, ...options, deps: { caches } });
  const definition = chain("one", nodes) as { nodes: { parameters: object }[] };
  Object.assign(definition.nodes[0]!.parameters, { methods: ["GET", "POST"], timeoutSeconds });
  await whole.catalog.put("one", { ...definition, settings });
  return {
    ...whole,
    counter,
    later: (ms) => later = ms,
    [Symbol.asyncDispose]: async () => {
      await counter[Symbol.asyncDispose]();
      await whole[Symbol.asyncDispose]();
    },
  };
}

const CACHE = { cache: { ttlSeconds: 60, key: ["Accept-Language"] } };

test("a second call alike is answered as the first, with Age and Cache-Status, and starts nothing", async () => {
  await using whole = await open(CACHE);
  const first = await whole.app.request("/webhook/one?a=1", post({ n: 1 }));
  const second = await whole.app.request("/webhook/one?a=1", post({ n: 1 }));
  assert.is(first.headers.get("cache-status"), "Millrace; fwd=miss; stored");
  assert.is(second.headers.get("cache-status"), "Millrace; hit; ttl=60");
  assert.is(first.headers.get("age"), null);
  assert.is(second.headers.get("age"), "0");
  assert.ok(first.headers.get("execution-id"));
  assert.is(second.headers.get("execution-id"), null);
  assert.is.not(first.headers.get("x-request-id"), second.headers.get("x-request-id"));
  assert.is(second.headers.get("content-type"), "application/json");
  assert.equal(await json(second), await json(first));
  whole.later(10_000);
  const third = await whole.app.request("/webhook/one?a=1", post({ n: 1 }));
  assert.is(third.headers.get("age"), "10");
  whole.later(60_000);
  assert.match((await whole.app.request("/webhook/one?a=1", post({ n: 1 }))).headers.get("cache-status")!, "fwd=miss");
});

test("method, query, body, its type, the chosen headers and credentials are the key, and nothing else", async () => {
  await using whole = await open(CACHE);
  const ask = async (
    headers: Record<string, string> = {},
    { query = "", body = { n: 1 } as object | null } = {},
  ) => {
    const request = body === null ? { headers } : post(body as never, headers);
    const response = await whole.app.request(`/webhook/one${query}`, request);
    return (await json(response)).id as string;
  };
  const first = await ask();
  assert.is(await ask({ "user-agent": "other", "x-request-id": "abc" }), first);
  const seen = new Set([first]);
  for (
    const call of [
      () => ask({}, { query: "?a=1" }),
      () => ask({}, { body: { n: 2 } }),
      () => ask({}, { body: null }),
      () => ask({ "content-type": "text/plain" }),
      () => ask({ "accept-language": "de" }),
      () => ask({ authorization: "Bearer 1" }),
      () => ask({ authorization: "Bearer 2" }),
      () => ask({ cookie: "a=1" }),
      () => ask({ "x-api-key": "1" }),
      () => ask({ "x-hub-signature-256": "1" }),
    ]
  ) {
    const id = await call();
    assert.not(seen.has(id));
    seen.add(id);
    assert.is(await call(), id);
  }
});

test("a new version of the workflow keeps nothing of the old one's answers", async () => {
  await using whole = await open(CACHE);
  const ask = async () => (await json(await whole.app.request("/webhook/one", post({ n: 1 })))).id;
  const first = await ask();
  const definition = (await whole.catalog.get("one"))!.definition;
  await whole.catalog.put("one", { ...definition, name: "another" });
  assert.is.not(await ask(), first);
});

test("a hundred calls at once start one execution", async () => {
  const crowd = new Crowd(100);
  const fetch = async () => {
    await crowd.gathered;
    return new Response();
  };
  const wait = { id: "wait", type: "httpRequest", parameters: { url: "http://127.0.0.1/" } };
  await using whole = await open(CACHE, [wait, COUNT], { crowd, fetch });
  const responses = await Promise.all(
    Array.from({ length: 100 }, () => whole.app.request("/webhook/one", post({ n: 1 }))),
  );
  const ids = await Promise.all(responses.map(async (response) => (await json(response)).id));
  assert.is(new Set(ids).size, 1);
  assert.is(
    responses.filter((it) => it.headers.get("cache-status") === "Millrace; fwd=miss; collapsed; ttl=60").length,
    99,
  );
});

test("a call waits for another's no longer than its caller does, though an instance died with the lock", async () => {
  const waits: unknown[] = [];
  let giveUp!: (error: Error) => void;
  const acquire: Locks["acquire"] = (_name, options) => {
    waits.push(options?.waitMs);
    return new Promise((_, reject) => giveUp = reject);
  };
  const nap = { id: "nap", type: "delay", parameters: { seconds: 3600 } };
  await using whole = await open(CACHE, [nap], { locks: { acquire }, timeoutSeconds: 1 });
  const answers: Response[] = [];
  const ask = async () => void answers.push(await whole.app.request("/webhook/one", post({ n: 1 })));
  void ask();
  await eventually(() => waits.length === 1, "the first waits for the lock");
  void ask();
  await eventually(() => answers.length === 1, "the second does not wait for the first for longer than a second");
  giveUp(new DOMException("It did not become free", "TimeoutError"));
  await eventually(() => answers.length === 2, "the first ends with its wait for the lock");
  assert.ok(waits.every((waitMs) => waitMs as number <= 1000), String(waits));
  for (const answer of answers) {
    assert.is(answer.status, 504);
    assert.is(answer.headers.get("location"), `/api/executions/${(await json(answer)).executionId}`);
  }
});

test("the workflow's own Cache-Control and Vary are heeded, and failures are kept for nobody", async () => {
  const reply = (headers: object, status = 200) => [
    { id: "reply", type: "httpResponse", parameters: { status, headers, body: "{{ $execution.id }}" } },
  ];
  for (
    const [nodes, isKept] of [
      [reply({ "cache-control": "no-store" }), false],
      [reply({ "cache-control": "private" }), false],
      [reply({ "set-cookie": "a=1" }), false],
      [reply({}, 500), false],
      [reply({ vary: "*" }), false],
      [reply({}, 404), true],
      [reply({ "cache-control": "max-age=5" }), true],
    ] as const
  ) {
    await using whole = await open(CACHE, nodes);
    const ask = async () => await (await whole.app.request("/webhook/one")).text();
    assert.is(await ask() === await ask(), isKept, JSON.stringify(nodes[0]!.parameters));
  }
  const config = { corsOrigins: ["https://app.example"] };
  await using varying = await open(CACHE, reply({ vary: "Accept-Language" }), { config });
  for (let n = 0; n < 2; n++) {
    const { headers } = await varying.app.request("/webhook/one");
    assert.is(headers.get("vary"), "Accept-Language, Origin", headers.get("cache-status")!);
  }
  await using failing = await open(CACHE, [{ id: "no", type: "fail", parameters: { message: "no", code: "no" } }]);
  for (let n = 0; n < 2; n++) {
    const response = await failing.app.request("/webhook/one");
    assert.is(response.status, 500);
    assert.is((await json(response)).code, "execution_failed");
  }
});

test("Idempotency-Key and Prefer go by the cache, and the client's no-cache past what it has", async () => {
  await using whole = await open(CACHE);
  const ask = async (headers: Record<string, string>) => {
    const response = await whole.app.request("/webhook/one", post({ n: 1 }, headers));
    return { id: (await json(response)).id, status: response.headers.get("cache-status") };
  };
  const { id } = await ask({});
  for (const headers of [{ "idempotency-key": "1" }, { prefer: "wait=5" }]) {
    const answer = await ask(headers as unknown as Record<string, string>);
    assert.is.not(answer.id, id);
    assert.is(answer.status, "Millrace; fwd=bypass");
  }
  assert.is((await ask({})).id, id);
  const renewed = await ask({ "cache-control": "no-cache" });
  assert.is.not(renewed.id, id);
  assert.is((await ask({})).id, renewed.id);
});

test("without settings.cache nothing is kept, and nothing said of it", async () => {
  await using whole = await open({});
  const responses = [await whole.app.request("/webhook/one"), await whole.app.request("/webhook/one")];
  assert.equal(responses.map(({ headers }) => headers.get("cache-status")), [null, null]);
  assert.is.not((await json(responses[0]!)).id, (await json(responses[1]!)).id);
});

test("/api/stats/cache has the hit rate by day", async () => {
  await using whole = await open(CACHE);
  for (let n = 0; n < 4; n++) await (await whole.app.request("/webhook/one", post({ n: 1 }))).text();
  await whole.counter.flush();
  const { days } = await json(await whole.app.request("/api/stats/cache?days=2"));
  assert.is(days.length, 1);
  const [{ cache, day, hits, misses, stale, bytes, hitRate }] = days;
  assert.equal({ cache, hits, misses, stale, hitRate }, {
    cache: "webhook:one",
    hits: 3,
    misses: 1,
    stale: 0,
    hitRate: 0.75,
  });
  assert.match(day, /^\d{4}-\d\d-\d\d$/);
  assert.ok(bytes > 0);
  for (const days of ["0", "36", "x"]) {
    assert.is((await whole.app.request(`/api/stats/cache?days=${days}`)).status, 400);
  }
});

test.run();
