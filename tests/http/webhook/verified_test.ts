/**
 * Webhooks with `verify`, over a whole app in memory.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openWholeApp, type WholeApp } from "../whole_app.ts";
import { SIGNERS } from "./verify/signing.ts";

const SECRET = "It's a secret";
const test = suite("Webhooks that verify");
let whole: WholeApp;

const define = (verify: object) => ({
  name: "pushes",
  nodes: [
    { id: "hook", type: "webhook", parameters: { path: "pushes", method: "POST", verify } },
    { id: "out", type: "transform", parameters: { output: { "by": "{{ verified }}", "random": "{{ $random() }}" } } },
  ],
  connections: [{ from: "hook", to: "out" }],
});

test.before(async () => {
  whole = await openWholeApp({ config: { secrets: new Map([["HOOK", SECRET]]) } });
  await whole.catalog.put("pushes", define({ scheme: "github", secrets: ["env:HOOK"] }));
});
test.after(async () => {
  await whole[Symbol.asyncDispose]();
});

const call = (signed: { headers: Record<string, string>; body: string }) =>
  Promise.resolve(whole.app.request("/webhook/pushes", {
    method: "POST",
    body: signed.body,
    headers: { "content-type": "application/json", ...signed.headers },
  }));
const signed = (id: string, secret = SECRET) => SIGNERS.github({ secret, id, at: 0, body: '{"ref":"main"}' });

test("a call that is signed starts an execution, which records by what", async () => {
  const response = await call(signed("a"));
  assert.is(response.status, 200);
  assert.equal((await response.json()).by, { scheme: "github", deliveryId: "a" });
});

test("a delivery that comes again gets the first one's answer, and starts nothing", async () => {
  const [first, again, other] = await Promise.all([call(signed("b")), call(signed("b")), call(signed("c"))]);
  assert.is(again.headers.get("execution-id"), first.headers.get("execution-id"));
  assert.is(await again.text(), await first.text());
  assert.is.not(other.headers.get("execution-id"), first.headers.get("execution-id"));
});

test("a call that is not is told which check failed, and nothing that helps", async () => {
  const before = (await whole.store.projections.list({ limit: 100 })).executions.length;
  const response = await call(signed("d", "another"));
  const body = await response.json();
  assert.equal([response.status, body.code, body.check], [401, "verification_failed", "signature"]);
  assert.is(response.headers.get("www-authenticate"), 'Signature scheme="github"');
  assert.is(response.headers.get("execution-id"), null);
  assert.is((await (await call({ headers: {}, body: "{}" })).json()).check, "header");
  // What is not verified is not parsed either.
  assert.is((await call({ headers: {}, body: "{" })).status, 401);
  assert.is((await whole.store.projections.list({ limit: 100 })).executions.length, before);
  assert.not.ok(whole.lines.some((line) => line.includes(SECRET)));
});

test("a definition names secrets that there are, and quotes none", async () => {
  for (
    const [verify, pointer, detail] of [
      [
        { scheme: "github", secrets: ["env:OTHER"] },
        "/secrets/0",
        'names "OTHER", which is not among SECRETS or not set',
      ],
      [
        { scheme: "github", secrets: ["sesame"] },
        "/secrets/0",
        "must be env:NAME, the environment variable that holds the secret",
      ],
      [{ scheme: "github", secrets: ["env:HOOK"], header: "x" }, "/header", "is for the scheme hmac, not github"],
      [{ scheme: "hmac", secrets: ["env:HOOK"] }, "/header", "must name the header that has the signature"],
      [
        { scheme: "hmac", secrets: ["env:HOOK"], header: "x", timestampHeader: "y" },
        "/timestampHeader",
        "must be given where {timestamp} is signed, and only there",
      ],
    ] as const
  ) {
    const response = await whole.app.request("/api/workflows/bad", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(define(verify)),
    });
    const text = await response.text();
    assert.is(response.status, 422);
    assert.equal(JSON.parse(text).errors, [{ pointer: `/nodes/0/parameters/verify${pointer}`, detail }]);
    assert.not.ok(text.includes("sesame"));
  }
});

test.run();
