/**
 * A key is its caller's own.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { idempotencyOf } from "../../../src/http/protocol/idempotency.ts";
import { post, withApp, type Work } from "../harness.ts";
import { essence, KEY } from "./one_key.ts";

/** Signs with what this caller knows: a response of its own to each. */
const identify: Work = (claim) => {
  const { headers } = claim.input as { headers: Record<string, string> };
  const { authorization = "nobody" } = headers;
  return { status: "completed", output: `the account of ${authorization}` };
};

test("POST /webhook takes one key of two callers for two, whoever comes first", () =>
  withApp({ work: identify }, async ({ app, claims }) => {
    const send = (headers: Record<string, string>) =>
      app.request("/webhook/orders", post({ n: 1 }, { ...KEY, ...headers }));
    const callers: Record<string, string>[] = [
      {},
      { authorization: "Bearer partner" },
      { authorization: "Bearer other" },
      { cookie: "session=1" },
      { "proxy-authorization": "Basic abc" },
      { "x-api-key": "Bearer partner" },
      { "x-hub-signature-256": "sha256=00" },
      { "x-hub-signature-256": "sha256=01" },
      { "stripe-signature": "t=1,v1=00" },
      { "x-slack-signature": "v0=00" },
      { "x-shopify-hmac-sha256": "00" },
      { "webhook-signature": "v1,00" },
      { "x-partner-secret": "00" },
      { authorization: "Bearer partner", cookie: "session=1" },
    ];
    const answers: unknown[][] = [];
    for (const [index, headers] of callers.entries()) {
      const response = await send(headers);
      assert.not(response.headers.has("idempotency-replayed"), JSON.stringify(headers));
      answers.push(await essence(response));
      assert.is(claims.length, index + 1);
    }
    for (const [index, headers] of callers.entries()) {
      const again = await send({ ...headers, "user-agent": "other", "x-request-id": "2", "webhook-timestamp": "3" });
      assert.is(again.headers.get("idempotency-replayed"), "true");
      assert.equal(await essence(again), answers[index]);
    }
    assert.is(claims.length, callers.length);
  }));

test("POST /webhook tells nobody that another caller has used a key: not with another request either", () =>
  withApp({}, async ({ app, claims }) => {
    const partner = { ...KEY, authorization: "Bearer partner" };
    assert.is((await app.request("/webhook/orders", post({ n: 1 }, partner))).status, 200);
    assert.is((await app.request("/webhook/orders", post({ n: 2 }, partner))).status, 422);
    assert.is((await app.request("/webhook/orders", post({ n: 2 }, KEY))).status, 200);
    assert.is(claims.length, 2);
  }));

test("POST /webhook gives no answer to whoever knows only how the store names a caller's key", () =>
  withApp({}, async ({ app, store }) => {
    const keys: string[] = [];
    const { request } = store.log;
    store.log.request = (made) => {
      keys.push(made.idempotency!.key);
      return request.call(store.log, made);
    };
    await app.request("/webhook/orders", post({ n: 1 }, { ...KEY, authorization: "Bearer partner" }));
    const stolen = await app.request("/webhook/orders", post({ n: 1 }, { "idempotency-key": JSON.stringify(keys[0]) }));
    assert.not(stolen.headers.has("idempotency-replayed"));
  }));

test("idempotencyOf() gives the same for the same headers in any order and any number of lines", async () => {
  const made = async (headers: [string, string][]) => {
    const request = new Request("http://x/", { method: "POST", headers: [["idempotency-key", "k"], ...headers] });
    return await idempotencyOf(request, { scope: ["POST"], body: new Uint8Array(), ttlSeconds: 1 });
  };
  const one = await made([["cookie", "a=1"], ["authorization", "b"]]);
  assert.equal(await made([["Authorization", "b"], ["Cookie", "a=1"]]), one);
  assert.equal(await made([["authorization", "b"], ["x-trace", "1"], ["cookie", "a=1"]]), one);
  const seen = new Set([one!.key]);
  // Neither names nor values can run into each other.
  for (const headers of [[["cookie", "a=1,b"]], [["authorization", "b"]], [["authorization", 'a=1","cookie","b']]]) {
    const { key } = (await made(headers as [string, string][]))!;
    assert.not.ok(seen.has(key));
    seen.add(key);
  }
});

test("a key and its message say nothing of the credentials", () =>
  withApp({}, async ({ app, store }) => {
    const seen: string[] = [];
    const { request } = store.log;
    store.log.request = (made) => {
      seen.push(JSON.stringify(made.idempotency));
      return request.call(store.log, made);
    };
    const send = (n: number) =>
      app.request("/webhook/orders", post({ n }, { ...KEY, authorization: "Bearer partner" }));
    await send(1);
    seen.push(await (await send(2)).text());
    for (const text of seen) assert.not.match(text, /partner/);
    assert.match(seen[0]!, /order-1/);
  }));

test.run();
