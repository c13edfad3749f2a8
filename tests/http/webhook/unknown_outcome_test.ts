// not quick: links are cut
// timeout: 120
/**
 * What a caller is told when Redis goes away around the append of its request: never that something runs which does
 * not, nor that nothing runs which does.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { pause } from "../../../src/lib/delay.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { startProxy } from "../../support/tcp_proxy.ts";
import { json, post } from "../harness.ts";
import { openWholeApp } from "../whole_app.ts";

const test = suite("a request whose append had no answer");
const url = redisVariants()[0]!.url;

/** An app whose link to Redis can be harmed, and a worker whose link cannot. */
async function openHarmed(timeoutSeconds: number) {
  const prefix = uniquePrefix();
  const proxy = await startProxy(Number(new URL(url).port));
  const store = await openRedisStore({ url: proxy.url, prefix, instance: "front" });
  const direct = await openRedisStore({ url, prefix, instance: "back" });
  const whole = await openWholeApp({ store, workStore: direct });
  const hook = { id: "hook", type: "webhook", parameters: { path: "one", timeoutSeconds } };
  const echo = { id: "echo", type: "transform", parameters: { output: "{{ body }}" } };
  await whole.catalog.put("one", { name: "one", nodes: [hook, echo], connections: [{ from: "hook", to: "echo" }] });
  return {
    ...whole,
    proxy,
    direct,
    send: (n: string, headers = {}) => whole.app.request("/webhook/one", post({ n }, headers)),
    /** How many executions there are. */
    count: async () => (await direct.projections.list({ limit: 10 })).executions.length,
    [Symbol.asyncDispose]: async () => {
      proxy.newLinks("work");
      proxy.cut();
      await whole[Symbol.asyncDispose]();
      await direct[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await removeKeys(url, prefix);
    },
  };
}

for (const where of ["request", "answer"] as const) {
  test(`is answered with its result when the link, cut before the ${where}, is back in time`, async () => {
    await using harmed = await openHarmed(60);
    const cut = harmed.proxy.cutAt("marked-1", where);
    const response = harmed.send("marked-1");
    await cut;
    // Longer than the store itself sends again.
    await pause(1000);
    harmed.proxy.newLinks("work");
    const { status, headers } = await response;
    assert.is(status, 200);
    assert.equal(await json(await response), { n: "marked-1" });
    const meta = await harmed.direct.log.meta(headers.get("execution-id")!);
    assert.is(meta?.status, "completed");
  });

  test(`is told that its fate is unknown when the link, cut before the ${where}, stays away`, async () => {
    await using harmed = await openHarmed(1);
    const key = { "idempotency-key": "k" };
    const cut = harmed.proxy.cutAt("marked-2", where);
    const response = await harmed.send("marked-2", key);
    await cut;
    assert.is(response.status, 503);
    assert.is(response.headers.get("retry-after"), "1");
    const problem = await json(response);
    assert.is(problem.code, "outcome_unknown");
    assert.is(problem.executionId, response.headers.get("execution-id"));
    assert.match(problem.detail, "Idempotency-Key");
    assert.not.match(problem.detail, /runs on\b/);
    const isThere = await harmed.direct.log.meta(problem.executionId) !== undefined;
    assert.is(isThere, where === "answer");
    harmed.proxy.newLinks("work");
    const again = await eventually(async () => {
      const response = await harmed.send("marked-2", key);
      return response.status === 200 && response;
    }, "the repetition is answered");
    // A retry of the first append may have come through once links worked again: one execution in either case.
    const isFirst = await harmed.direct.log.meta(problem.executionId) !== undefined;
    if (isThere) assert.ok(isFirst);
    assert.is(again.headers.get("execution-id") === problem.executionId, isFirst);
    assert.equal(await json(again), { n: "marked-2" });
  });
}

test("is not said to run on when the link went silent", async () => {
  await using harmed = await openHarmed(1);
  harmed.proxy.newLinks("silent");
  harmed.proxy.silence();
  const calls = [harmed.send("marked-3"), harmed.send("marked-3", { prefer: "wait=0.5" })];
  for (const response of await Promise.all(calls)) {
    assert.is(response.status, 503);
    const problem = await json(response);
    assert.is(problem.code, "outcome_unknown");
    assert.is(await harmed.direct.log.meta(problem.executionId), undefined);
  }
});

test("is told that nothing was started when it was never sent", async () => {
  await using harmed = await openHarmed(5);
  harmed.proxy.newLinks("refused");
  harmed.proxy.cut();
  await eventually(() => JSON.stringify(harmed.store.ready()).includes("false"), "the link is seen to be down");
  const response = await harmed.send("marked-4");
  assert.is(response.status, 503);
  const problem = await json(response);
  assert.is(problem.code, "unavailable");
  assert.match(problem.detail, "nothing was started");
  assert.not(response.headers.has("execution-id"));
  assert.is(await harmed.count(), 0);
});

test("frees its place, whatever becomes of it", async () => {
  await using harmed = await openHarmed(1);
  const cut = harmed.proxy.cutAt("marked-5", "request");
  await harmed.send("marked-5");
  await cut;
  assert.is(harmed.store.replies.size, 0);
});

test.run();
