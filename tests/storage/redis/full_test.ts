// not quick: Redis is filled up
// timeout: 180
/**
 * A Redis that fills: new requests are refused early and in so many words, what runs ends and is answered, and all is
 * well again as soon as there is room.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Caches } from "../../../src/caches/caches.ts";
import { AppendRefusedError } from "../../../src/lib/errors.ts";
import { awaitReply, completed, ending, placedRequestOf, requestOf, takeClaim } from "../drivers.ts";
import { endsOnce, hasRetryAfter, refuses, rejects } from "../expectations.ts";
import { eventually } from "../../support/eventually.ts";
import { startFaultyRedis } from "../../support/faulty_redis.ts";
import { MB, openSite, used } from "./filling_site.ts";

const POSTS = 60;

test("posts that would fill Redis get 200 or 503 storage_full, never anything else, and it never runs full", async () => {
  await using redis = await startFaultyRedis();
  await using site = await openSite(redis.url);
  await site.limit(60 * MB);
  const answers = await Promise.all(Array.from({ length: POSTS }, () => site.post("echo", "x".repeat(2 * MB))));
  const codes = new Map<string, number>();
  for (const { status, code } of answers) codes.set(`${status} ${code}`, (codes.get(`${status} ${code}`) ?? 0) + 1);
  assert.equal([...codes.keys()].sort(), ["200 undefined", "503 storage_full"]);
  for (const { retryAfter, status } of answers) if (status === 503) assert.match(retryAfter ?? "", /^[1-5]$/);
  // What is small still fits: it is ready until nothing does.
  const { ready, reason } = await eventually(async () => {
    for (const size of [50_000, 1]) {
      assert.ok([200, 503].includes((await site.post("echo", "x".repeat(size))).status));
    }
    const state = site.store.ready();
    return !state.ready && state;
  }, "not ready");
  assert.is(ready, false);
  assert.match(reason!, /^Redis is nearly full: \d+ of \d+ bytes are used$/);
  assert.is(await site.refused(), 0);
  await site.control.send(["CONFIG", "SET", "maxmemory", String(4096 * MB)]);
  await eventually(() => site.store.ready().ready, "ready again");
  assert.is((await site.post("echo", "x".repeat(2 * MB))).status, 200);
});

test("a request to a full Redis is refused at once, and an earlier key's is answered", async () => {
  await using redis = await startFaultyRedis();
  await using site = await openSite(redis.url);
  const { store } = site;
  const idempotency = { key: "k", fingerprint: "f", ttlSeconds: 60 };
  const first = placedRequestOf(store, { idempotency });
  await store.log.request(first);
  await site.fill();
  // The watch does not know yet: the server itself says so, and nothing was written.
  const request = requestOf();
  hasRetryAfter(await refuses(() => store.log.request(request), "storage_full"));
  assert.is(await store.log.meta(request.executionId), undefined);
  await eventually(() => !store.ready().ready, "not ready");
  assert.equal(await store.log.request(placedRequestOf(store, { idempotency })), {
    executionId: first.executionId,
    isNew: false,
  });
  const other = { ...idempotency, key: "other" };
  await refuses(() => store.log.request(placedRequestOf(store, { idempotency: other })), "storage_full");
});

test("an archiver that has the feed of a full Redis in hand keeps it", async () => {
  await using redis = await startFaultyRedis();
  await using site = await openSite(redis.url);
  const { store } = site;
  await store.archiveFeed.hold();
  await site.fill();
  await store.archiveFeed.hold();
});

test("what runs ends though Redis is full: its caller is answered, or it fails with storage_full", async () => {
  await using redis = await startFaultyRedis();
  await using site = await openSite(redis.url);
  const { store } = site;
  const [small, large] = [requestOf({ replyTo: "a" }), requestOf({ replyTo: "a" })];
  const cancelled = requestOf();
  await store.log.request(cancelled);
  const claims = [];
  for (const request of [small, large]) {
    await store.log.request(request);
    claims.push(await takeClaim(store, request.executionId));
  }
  const signal = AbortSignal.timeout(60_000);
  const replies = [small, large].map(({ executionId }) => awaitReply(store, executionId, { signal }));
  await site.fill();
  const [first, second] = claims as [typeof claims[0], typeof claims[0]];
  await store.work.finish(first!, ending(first!));
  assert.is((await replies[0]!).status, "completed");
  await endsOnce(store, small.executionId);
  assert.is(await store.log.cancel(cancelled.executionId), true);
  await endsOnce(store, cancelled.executionId);
  await rejects(
    () => store.work.append(second!, { sequence: 1, events: [completed("n", "x".repeat(MB))] }),
    AppendRefusedError,
  );
  const error = { code: "storage_full", message: "full" };
  await store.work.finish(
    second!,
    ending(second!, {
      events: [{ type: "execution.failed", time: 1, data: { error } }],
      result: { executionId: large.executionId, status: "failed", error },
    }),
  );
  assert.equal((await replies[1]!).error, error);
  assert.equal((await store.log.result(large.executionId))?.error, error);
});

test("a workflow whose output does not fit fails with storage_full, and its caller hears it", async () => {
  await using redis = await startFaultyRedis();
  await using site = await openSite(redis.url);
  const pending = site.post("grow", "x".repeat(1000));
  await eventually(async () => (await site.control.send<number>(["ZCARD", "mr:{0}:timers"])) === 1, "it waits");
  await site.fill();
  const { status, code } = await pending;
  assert.equal([status, code], [500, "execution_failed"]);
  await eventually(async () => (await site.control.send<number>(["XLEN", "mr:{0}:work"])) === 0, "it ended");
});

test("past three fifths caches keep nothing more and answer from the call, while new work is taken as ever", async () => {
  await using redis = await startFaultyRedis();
  await using site = await openSite(redis.url);
  const { store, control, errors } = site;
  const onError = (error: unknown) => void errors.push(error);
  const caches = new Caches({ store: store.caches, now: () => store.clock.now(), onError });
  const cache = await caches.open("pages");
  const put = (path: string, body: BodyInit) =>
    cache.put(`http://a.test/${path}`, new Response(body)).then(() => "kept", (error) => error.name);
  await control.send(["SETRANGE", "ballast", String(20 * MB), "x"]);
  await site.limit(await used(control));
  // At a half there is room for what is small. Of what begins to fill the rest nothing stays.
  assert.is(await put("small", "small"), "kept");
  let left = 60;
  const large = new ReadableStream({
    pull: (controller) => left-- > 0 ? controller.enqueue(new Uint8Array(100_000)) : controller.close(),
  });
  assert.is(await put("large", large), "QuotaExceededError");
  assert.ok(left > 0, "it is not read to its end");
  assert.equal(await control.send(["KEYS", "*cache-body*"]), []);
  await site.limit(Math.floor(await used(control) * 3 / 7));
  assert.is(await put("another", "another"), "QuotaExceededError");
  const request = new Request("http://a.test/called");
  const load = () => Promise.resolve(new Response("called"));
  const { response } = await caches.respond("pages", { request, load, defaultLifetime: 60 });
  assert.is(await response.text(), "called");
  await eventually(() => errors.length > 0, "it is reported");
  assert.is((errors[0] as Error).name, "QuotaExceededError");
  assert.equal((await cache.keys()).map(({ url }) => url), ["http://a.test/small"]);
  assert.is(await (await cache.match("http://a.test/small"))!.text(), "small");
  assert.is(store.ready().ready, true);
  assert.is((await site.post("echo", "x".repeat(1000))).status, 200);
  await site.limit(1000 * MB);
  assert.is(await put("another", "another"), "kept");
});

test.run();
