import { test } from "uvu";
import * as assert from "uvu/assert";
import { post } from "../harness.ts";
import { openWholeApp } from "../whole_app.ts";

const CANARY = "c4n4ry";
const SECRET = {
  authorization: `Bearer ${CANARY}`,
  cookie: `session=${CANARY}`,
  "x-hub-signature-256": `sha256=${CANARY}`,
  "x-api-key": CANARY,
  "x-Internal": CANARY,
};
const workflow = (parameters: object) => ({
  name: "recorded",
  nodes: [
    { id: "hook", type: "webhook", parameters: { path: "recorded", ...parameters } },
    { id: "out", type: "transform", parameters: { output: "{{ headers }}" } },
  ],
  connections: [{ from: "hook", to: "out" }],
});

test("headers with credentials are in no output and no log, unless the trigger asks for them", async () => {
  await using whole = await openWholeApp({ config: { redactHeaders: ["x-internal"] } });
  const call = async () => {
    const response = await whole.app.request(
      "/webhook/recorded",
      post({}, { ...SECRET, "x-plain": "p", "__proto__x": "q" }),
    );
    const id = response.headers.get("execution-id");
    const headers = await response.json();
    const log =
      await (await whole.app.request(`/api/executions/${id}/events`, { headers: { accept: "application/json" } }))
        .text();
    return { headers, log };
  };
  await whole.catalog.put("w", workflow({}));
  const { headers, log } = await call();
  assert.equal(headers, { "content-type": "application/json", "x-plain": "p", "__proto__x": "q" });
  assert.not.match(log, CANARY);
  await whole.catalog.put("w", workflow({ recordHeaders: ["Authorization", "x-internal"] }));
  const asked = await call();
  assert.equal([asked.headers.authorization, asked.headers["x-internal"]], [`Bearer ${CANARY}`, CANARY]);
  assert.equal(["cookie" in asked.headers, "x-api-key" in asked.headers], [false, false]);
});

test("a key of idempotency is still its caller's own", async () => {
  await using whole = await openWholeApp();
  await whole.catalog.put("w", workflow({}));
  const call = async (authorization: string) => {
    const init = post({}, { authorization, "idempotency-key": "k" });
    return (await whole.app.request("/webhook/recorded", init)).headers.get("execution-id");
  };
  const [first, again, other] = [await call("Bearer a"), await call("Bearer a"), await call("Bearer b")];
  assert.is(again, first);
  assert.is.not(other, first);
});

test("the header that verify reads is not recorded, whatever its name", async () => {
  await using whole = await openWholeApp({ config: { secrets: new Map([["HOOK", "It's a secret"]]) } });
  const verify = { scheme: "hmac", secrets: ["env:HOOK"], header: "X-Seal" };
  await whole.catalog.put("w", workflow({ verify }));
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode("It's a secret"),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const seal = Buffer.from(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode("{}"))).toString("hex");
  const response = await whole.app.request("/webhook/recorded", post({}, { "x-seal": seal }));
  assert.equal([response.status, Object.keys(await response.json())], [200, ["content-type"]]);
});

test.run();
