/**
 * `rateLimit` of a node: its calls wait for their turn.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Caches } from "../../src/caches/caches.ts";
import { pause } from "../../src/lib/delay.ts";
import { InvalidWorkflowError, RetryableError, TerminalError, UnavailableError } from "../../src/lib/errors.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import { Locks } from "../../src/locks/locks.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import type { TakeTurn } from "../../src/workflow/node_rate_limit.ts";
import { scopeOf } from "../expression/scope.ts";
import { eventually } from "../support/eventually.ts";
import { answer, call, failure, openSite, seen } from "./http_site.ts";

const { origin, close } = await openSite();
test.after(close);

const LIMIT = { limit: 2, perSeconds: 60 };

/** Turns as a list gives them, in milliseconds to wait, 0 at last; what was asked for is kept. */
function turns(...waits: number[]) {
  const asked: { name: string; limit: object; ticket: string }[] = [];
  const takeTurn: TakeTurn = (name, limit, ticket) => {
    asked.push({ name, limit, ticket });
    const waitMs = waits.shift() ?? 0;
    return Promise.resolve({ admitted: waitMs === 0, waitMs });
  };
  return { takeTurn, asked };
}

test("a call whose turn has come goes out; one that waits for long is told and run again, one for a moment is not", async () => {
  seen.length = 0;
  const { takeTurn, asked } = turns(0, 40_000, 20);
  const run = () => call({ url: origin }, { node: { rateLimit: LIMIT }, takeTurn, context: { now: () => 1000 } });
  assert.ok("output" in await run());
  assert.equal(await run(), { waitUntil: 41_000 });
  assert.is(seen.length, 1);
  assert.ok("output" in await run());
  assert.equal([seen.length, asked.length], [2, 4]);
  assert.equal(new Set(asked.map(({ name, ticket }) => `${name} ${ticket}`)).size, 1);
  assert.is(asked[0]!.ticket, "0197:node");
});

test("calls share a limit by its key, of whatever workflow, or by workflow and node", async () => {
  const { takeTurn, asked } = turns();
  const nameOf = async (key: string | undefined, { workflowId = "orders", nodeId = "node", input = {} } = {}) => {
    const execution = { id: "0197", workflowId, version: 1 };
    const context = { nodeId, scope: scopeOf(input, { execution }) };
    await call({ url: origin }, { node: { rateLimit: { ...LIMIT, ...(key && { key }) } }, takeTurn, context });
    return asked.at(-1)!.name;
  };
  const own = await nameOf(undefined);
  assert.is.not(await nameOf(undefined, { workflowId: "other" }), own);
  assert.is.not(await nameOf(undefined, { nodeId: "other" }), own);
  const shared = await nameOf("{{ api }}", { input: { api: "bank" } });
  assert.is(await nameOf("bank", { workflowId: "other", nodeId: "other" }), shared);
  assert.is.not(await nameOf("post"), shared);
  for (const api of ["", null, {}, [1]]) {
    const node = { rateLimit: { ...LIMIT, key: "{{ api }}" } };
    const error = await failure({ url: origin }, { node, takeTurn, context: { scope: scopeOf({ api }) } });
    assert.instance(error, TerminalError);
    assert.is(error.code, "invalid_rate_limit");
  }
});

test("a turn that does not come within the node's time is a failure that may be tried again", async () => {
  const now = 1000;
  const context = { scope: scopeOf({}, { now }), now: () => now + 4_000 };
  const options = { node: { rateLimit: LIMIT, timeoutSeconds: 5 }, context };
  assert.equal(await call({ url: origin }, { ...options, takeTurn: turns(900).takeTurn }), { waitUntil: 5_900 });
  const error = await failure({ url: origin }, { ...options, takeTurn: turns(1_100).takeTurn });
  assert.instance(error, RetryableError);
  assert.is(error.code, "rate_limited");
});

test("a redirect belongs to its call, an answer that was kept is no call, and nothing goes out while nobody can count", async () => {
  const store = createMemoryStore({ instance: "t" });
  try {
    const locks = new Locks({ store: store.locks, clientId: "t" });
    const caches = new Caches({ store: store.caches, now: () => store.clock.now(), locks });
    const { takeTurn, asked } = turns();
    const node = { rateLimit: LIMIT };
    await answer({ url: `${origin}/redirect?to=/done` }, { node, takeTurn });
    assert.is(asked.length, 1);
    for (let n = 0; n < 3; n++) {
      await answer({ url: `${origin}/kept`, cache: { ttlSeconds: 60 } }, { node, takeTurn, caches });
    }
    assert.is(asked.length, 2);
    seen.length = 0;
    const away: TakeTurn = () =>
      Promise.reject(new UnavailableError("away", { cause: undefined, mayHaveHappened: true }));
    const waits = await call({ url: origin }, { node, takeTurn: away, context: { now: () => 0 } });
    assert.equal([waits, seen.length], [{ waitUntil: 1000 }, 0]);
    // Of a fork that runs against its record nothing is asked.
    await answer({ url: origin }, { node, takeTurn: away, context: { isStub: true } });
  } finally {
    await store[Symbol.asyncDispose]();
  }
});

test("an answer that is stale is renewed if a turn is to be had, takes no place in line if not, and says nothing of it", async () => {
  const store = createMemoryStore({ instance: "t" });
  try {
    let later = 0;
    const errors: unknown[] = [];
    const locks = new Locks({ store: store.locks, clientId: "t" });
    const caches = new Caches({
      ...{ store: store.caches, locks, now: () => store.clock.now() + later },
      onError: (error) => errors.push(error),
    });
    const options: { keepsPlace: boolean }[] = [];
    const takeTurn: TakeTurn = (_name, _limit, _ticket, how) => {
      const admitted = options.push(how) === 1;
      return Promise.resolve({ admitted, waitMs: admitted ? 0 : 40_000 });
    };
    const control = encodeURIComponent("max-age=60, stale-while-revalidate=600");
    const parameters = { url: `${origin}/fields?cache-control=${control}`, cache: {} };
    const ask = async () => {
      const { headers } = await answer(parameters, { node: { rateLimit: LIMIT }, takeTurn, caches });
      return String((headers as JsonObject)["cache-status"]);
    };
    assert.match(await ask(), "fwd=miss; stored");
    // It is fresh as soon as it is stored; a call before that would wait for its turn.
    await eventually(async () => (await (await caches.open("httpRequest:orders")).keys()).length > 0, "it is kept");
    later = 70_000;
    assert.match(await ask(), /hit; ttl=-/);
    await eventually(() => options.length === 2, "the renewal");
    await pause(20);
    assert.equal([options, errors], [[{ keepsPlace: true }, { keepsPlace: false }], []]);
  } finally {
    await store[Symbol.asyncDispose]();
  }
});

test("who is stopped while it waits throws why", async () => {
  const stop = new AbortController();
  const reason = new TerminalError("aborted", "enough");
  const takeTurn: TakeTurn = () => {
    stop.abort(reason);
    return Promise.resolve({ admitted: false, waitMs: 100 });
  };
  const context = { signal: stop.signal };
  assert.is(await failure({ url: origin }, { node: { rateLimit: LIMIT }, takeTurn, context }), reason);
});

test("what is wrong with a rate limit is a fault of the definition", () => {
  const faults = (node: object) => {
    try {
      void call({ url: origin }, { node });
    } catch (error) {
      assert.instance(error, InvalidWorkflowError);
      return (error as InvalidWorkflowError).faults.map(({ pointer }) => pointer);
    }
    return [];
  };
  const begin = "/nodes/1/rateLimit";
  assert.equal(faults({ rateLimit: {} }), [`${begin}/limit`, `${begin}/perSeconds`]);
  assert.equal(faults({ rateLimit: { ...LIMIT, limit: 0 } }), [`${begin}/limit`]);
  assert.equal(faults({ rateLimit: { ...LIMIT, limit: 1e9 } }), [`${begin}/limit`]);
  assert.equal(faults({ rateLimit: { ...LIMIT, perSeconds: 0.5 } }), [`${begin}/perSeconds`]);
  assert.equal(faults({ rateLimit: { ...LIMIT, key: "{{ ( }}" } }), [`${begin}/key`]);
  assert.equal(faults({ rateLimit: { ...LIMIT, other: 1 } }), [`${begin}/other`]);
  assert.equal(faults({ type: "delay", parameters: { seconds: 1 }, rateLimit: LIMIT }), [begin]);
});

test.run();
