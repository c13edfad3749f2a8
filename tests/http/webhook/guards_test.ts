import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseRange } from "../../../src/lib/address_ranges.ts";
import { json, post } from "../harness.ts";
import { openWholeApp } from "../whole_app.ts";

const workflow = (parameters: object) => ({
  name: "guarded",
  nodes: [{ id: "hook", type: "webhook", parameters: { path: "guarded", ...parameters } }],
  connections: [],
});

test("a webhook with rateLimit lets so many through, and says so", async () => {
  await using whole = await openWholeApp();
  await whole.catalog.put("w", workflow({ rateLimit: { limit: 2, perSeconds: 600 } }));
  const call = () => whole.app.request("/webhook/guarded", post({}));
  for (const remaining of [1, 0]) {
    const response = await call();
    assert.is(response.status, 200);
    assert.is(response.headers.get("ratelimit-policy"), '"default";q=2;w=600');
    assert.match(response.headers.get("ratelimit")!, new RegExp(`^"default";r=${remaining};t=(600|59\\d)$`));
  }
  const refused = await call();
  assert.is(refused.status, 429);
  assert.match(refused.headers.get("ratelimit")!, /^"default";r=0;t=(600|59\d)$/);
  assert.match(refused.headers.get("retry-after")!, /^(600|59\d)$/);
  const problem = await json(refused);
  assert.equal([problem.code, "executionId" in problem], ["rate_limited", false]);
});

test("a rate limit with a key counts for each of its values, and what has none shares one", async () => {
  await using whole = await openWholeApp();
  const rateLimit = { limit: 1, perSeconds: 600, key: '{{ body.user & $number(body.n ? body.n : "0") }}' };
  await whole.catalog.put("w", workflow({ rateLimit }));
  const call = async (body: object) => (await whole.app.request("/webhook/guarded", post(body as never))).status;
  assert.equal([await call({ user: "a" }), await call({ user: "a" }), await call({ user: "b" })], [200, 429, 200]);
  const failing = { user: "c", n: "no number" };
  assert.equal([await call(failing), await call({ ...failing, user: "d" }), await call({ user: "e" })], [
    200,
    429,
    200,
  ]);
});

test("a webhook with allow takes calls from there only, and believes trusted proxies", async () => {
  await using whole = await openWholeApp({ config: { trustedProxies: [parseRange("10.0.0.0/8")!] } });
  await whole.catalog.put("w", workflow({ allow: ["203.0.113.0/24", "2001:db8::1"] }));
  const call = async (peer: string | undefined, forwarded?: string) => {
    const init = post({}, forwarded === undefined ? {} : { "x-forwarded-for": forwarded });
    const env = peer === undefined ? {} : { peer: () => peer };
    return (await whole.app.request("/webhook/guarded", init, env)).status;
  };
  for (const peer of ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1"]) assert.is(await call(peer), 200, peer);
  for (const peer of ["203.0.114.7", "127.0.0.1", "2001:db8::2", undefined]) assert.is(await call(peer), 403, peer);
  assert.is(await call("10.1.2.3", "198.51.100.1, 203.0.113.7"), 200);
  assert.is(await call("10.1.2.3", "203.0.113.7, 198.51.100.1"), 403);
  assert.is(await call("198.51.100.1", "203.0.113.7"), 403);
});

test("a definition with a wrong limit or range is refused by the field", async () => {
  await using whole = await openWholeApp();
  for (
    const [parameters, pointer] of [
      [{ allow: ["10.0.0.0/33"] }, "/nodes/0/parameters/allow/0"],
      [{ allow: [] }, "/nodes/0/parameters/allow"],
      [{ rateLimit: { limit: 0, perSeconds: 1 } }, "/nodes/0/parameters/rateLimit/limit"],
      [{ rateLimit: { limit: 10_001, perSeconds: 1 } }, "/nodes/0/parameters/rateLimit/limit"],
      [{ rateLimit: { limit: 1 } }, "/nodes/0/parameters/rateLimit/perSeconds"],
      [{ rateLimit: { limit: 1, perSeconds: 1, key: "{{ ( }}" } }, "/nodes/0/parameters/rateLimit/key"],
    ] as const
  ) {
    const response = await whole.app.request("/api/workflows/w", {
      ...post(workflow(parameters) as never),
      method: "PUT",
    });
    assert.is(response.status, 422);
    assert.equal((await json(response)).errors.map((fault: { pointer: string }) => fault.pointer), [pointer]);
  }
});

test.run();
