/**
 * Keys of webhooks that answer early, in the response mode `responseNode`.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Claim } from "../../../src/execution/claim.ts";
import type { CompiledWorkflow, NodeDefinition } from "../../../src/workflow/definition.ts";
import { finish, type Harness, post, respondEarly, taken, withApp } from "../harness.ts";
import { webhookWorkflow } from "../workflows.ts";
import { essence, KEY } from "./one_key.ts";

/** A workflow in the response mode responseNode, with as many `httpResponse` nodes. */
function responding(...ids: string[]): CompiledWorkflow {
  const workflow = webhookWorkflow({ responseMode: "responseNode" });
  const nodes = ids.map((id): NodeDefinition => ({ id, type: "httpResponse", parameters: {}, onError: "fail" }));
  return { ...workflow, definition: { ...workflow.definition, nodes } };
}

const EARLY = { status: 202, headers: {}, body: "first" };
const LATE = { status: 200, headers: {}, body: "second" };

/** What happens between the early response and the repetition. */
const ENDS: Record<string, (harness: Harness, claim: Claim) => Promise<void>> = {
  "while the rest runs": () => Promise.resolve(),
  "after another response": async ({ store }, claim) => {
    const next = await respondEarly(store, { ...claim, replyEarly: false }, "two", LATE);
    await finish(store, next, { status: "completed", response: LATE });
  },
  "after a failure": ({ store }, claim) =>
    finish(store, claim, { status: "failed", error: { code: "x", message: "Broken" }, response: EARLY }),
};

for (const [when, end] of Object.entries(ENDS)) {
  test(`POST /webhook answers a responseNode key with the response that was sent, ${when}`, () =>
    withApp({ workflows: [responding("one", "two")], work: () => "hold" }, async (harness) => {
      const { app, store, claims } = harness;
      const call = () => app.request("/webhook/orders", post({}, KEY));
      const calls = [call(), call()];
      await taken(claims);
      const next = await respondEarly(store, claims[0]!, "one", EARLY);
      for (const response of await Promise.all(calls)) assert.is(await response.text(), '"first"');
      await end(harness, next);
      const later = await call();
      assert.is(later.headers.get("idempotency-replayed"), "true");
      assert.equal(await essence(later), [202, '"first"', claims[0]!.executionId]);
      assert.is(claims.length, 1);
    }));
}

test("POST /webhook answers a responseNode key with the response after the log has expired, failed or not", () =>
  withApp({ workflows: [responding("one")], work: () => "hold" }, async ({ app, store, claims }) => {
    const first = app.request("/webhook/orders", post({}, KEY));
    await taken(claims);
    const next = await respondEarly(store, claims[0]!, "one", EARLY);
    await first;
    await finish(store, next, { status: "failed", error: { code: "x", message: "Broken" }, response: EARLY });
    store.log.tail = async function* () {};
    const later = await app.request("/webhook/orders", post({}, KEY));
    assert.equal(await essence(later), [202, '"first"', claims[0]!.executionId]);
  }));

test("POST /webhook finds the response by its mark in the log, and reads no definition again", () => {
  const [old, current] = [responding("old"), { ...responding("current"), version: 2 }];
  let newest = old;
  const asked: unknown[] = [];
  const catalog = {
    matchWebhook: () => ({ workflow: newest, webhook: newest.webhooks[0]!, params: {} }),
    get: (_id: string, version?: number) => {
      asked.push(version);
      return Promise.resolve(version === 1 ? old : current);
    },
  };
  const deps = { catalog: catalog as never };
  return withApp({ deps, work: () => "hold" }, async ({ app, store, claims }) => {
    const first = app.request("/webhook/orders", post({}, KEY));
    await taken(claims);
    newest = current;
    const again = app.request("/webhook/orders", post({}, KEY));
    await respondEarly(store, claims[0]!, "old", { status: 200, headers: {}, body: "old" });
    assert.equal(await essence(await again), await essence(await first));
    assert.equal(asked, []);
  });
});

test.run();
