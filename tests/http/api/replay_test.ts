/**
 * Forks over the whole app: what they take from the record, what they run, and what fails clearly.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createClient, type RedisClientType } from "redis";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import type { JsonValue } from "../../../src/lib/json.ts";
import { chain } from "../whole_app.ts";
import { json, post } from "../harness.ts";
import { fork, get, rig, run } from "./fork_rig.ts";
import { call, LARGE, randomWorkflow, storedEnds, transform } from "./random_workflow.ts";
import { type RedisVariant, redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

/** 100 prove the point: `FORKS=100 node --import tsx scripts/test.ts --only api/replay`. */
const FORKS = Number(process.env.FORKS ?? 20);

test(`forks in a stub of ${FORKS} random executions are equal byte by byte, and call nobody`, async () => {
  const [{ url }] = redisVariants() as [RedisVariant];
  const prefix = uniquePrefix();
  const keys = new Keys({ prefix });
  const client = await createClient({ url }).connect() as unknown as RedisClientType;
  const store = await openRedisStore({ url, prefix, instance: "forks" });
  let made = 0;
  try {
    await using it = await rig(store);
    const { whole, calls } = it;
    const property = fc.asyncProperty(
      fc.array(fc.nat(8), { minLength: 1, maxLength: 6 }),
      fc.nat(1000),
      fc.nat(6),
      async (kinds, n, from) => {
        await whole.catalog.put("any", randomWorkflow(kinds));
        const of = await run(whole, "any", { n });
        const expected = await storedEnds(client, keys, of);
        assert.ok(expected.size > 0);
        const before = calls.length;
        const begins = from < kinds.length ? { from: `n${from}` } : {};
        const { id } = await fork(whole, of, { ...begins, workflow: "recorded", mode: "stub" });
        assert.equal(await storedEnds(client, keys, id), expected);
        const result = async (id: string) => await (await whole.app.request(`/api/executions/${id}/result`)).text();
        assert.is((await result(id)).replaceAll(id, of), await result(of));
        const again = await fork(whole, id, {});
        assert.equal(await storedEnds(client, keys, again.id), expected);
        assert.is(calls.length, before);
        made++;
      },
    );
    await fc.assert(property, { numRuns: FORKS, includeErrorInReport: true });
  } finally {
    client.destroy();
    await removeKeys(url, prefix);
  }
  assert.is(made, FORKS);
});

const pipeline = (last: JsonValue = "{{ $ }}") =>
  chain("p", [
    call("first", "http://x.test/first"),
    transform("middle", { from: "{{ body.call }}" }),
    call("second", "http://x.test/second/{{ from }}"),
    transform("last", last),
  ]);

test("a fork from a node takes what is before it from the record, and runs the rest", async () => {
  await using it = await rig();
  const { whole, calls } = it;
  await whole.catalog.put("p", pipeline());
  const of = await run(whole, "p", { n: 1 });
  assert.is(calls.length, 2);
  const { id, body } = await fork(whole, of, { from: "second", workflow: "recorded", mode: "live" });
  assert.equal(calls.slice(2), ["http://x.test/second/1"]);
  assert.is(body.output.body.call, 3);
  const events = await whole.store.log.read(id);
  const recorded = events.filter(({ data }) => (data as { recorded?: true }).recorded);
  assert.equal(recorded.map(({ node }) => node), ["first", "middle"]);
  const state = await get(whole, `/api/executions/${id}`);
  assert.equal(state.forkOf, { executionId: of, from: "second", mode: "live", workflow: "recorded" });
  assert.equal((await get(whole, `/api/executions/${of}`)).forks, [id]);
  assert.is((await whole.store.log.meta(id))!.forkOf, of);
  assert.is((await fork(whole, of, { mode: "live" })).body.status, "completed");
  assert.is(calls.length, 5);
});

test("a fork from an entry takes what had ended before it", async () => {
  await using it = await rig();
  const { whole, calls } = it;
  await whole.catalog.put("p", pipeline());
  const of = await run(whole, "p", { n: 1 });
  const { events } = await get(whole, `/api/executions/${of}/events`);
  const entry = events.find((it: { type: string; node?: string }) =>
    it.type === "node.completed" && it.node === "second"
  );
  await fork(whole, of, { from: entry.id, mode: "live" });
  assert.equal(calls.slice(2), ["http://x.test/second/1"]);
});

test("a fork may be given another input: at the trigger, or at the node where it begins", async () => {
  await using it = await rig();
  const { whole, calls } = it;
  await whole.catalog.put("p", pipeline());
  const of = await run(whole, "p", { n: 1 });
  await fork(whole, of, { from: "second", input: { from: LARGE.slice(0, 500) }, mode: "live" });
  assert.is(calls[2], `http://x.test/second/${LARGE.slice(0, 500)}`);
  const asTrigger = await fork(whole, of, { input: { body: { n: 2 } }, mode: "live" });
  const [requested] = await whole.store.log.read(asTrigger.id);
  assert.equal((requested!.data as { input: JsonValue }).input, { body: { n: 2 } });
  const { events } = await get(whole, `/api/executions/${of}/events`);
  assert.is((await fork(whole, of, { from: events[3].id, input: 1 })).status, 400);
});

test("a stub fails with not_recorded at a call that the record lacks, whatever onError says", async () => {
  await using it = await rig();
  const { whole, calls } = it;
  const definition = (url: string) => chain("q", [call("ask", url, { onError: "continue" }), transform("end", 1)]);
  await whole.catalog.put("q", definition("http://x.test/{{ body.n }}"));
  const of = await run(whole, "q", { n: 1 });
  const before = calls.length;
  const changed = await fork(whole, of, { input: { body: { n: 2 } } });
  assert.is(changed.body.status, "failed");
  assert.is(changed.body.error.code, "not_recorded");
  assert.is(changed.body.error.node, "ask");
  assert.is((await fork(whole, of, { input: { body: { n: 1 }, more: true } })).body.status, "completed");
  await whole.catalog.put("q", definition("http://x.test/other"));
  assert.is((await fork(whole, of, { workflow: "current" })).body.error.code, "not_recorded");
  assert.is((await fork(whole, of, { workflow: "recorded" })).body.status, "completed");
  assert.is(calls.length, before);
});

test("a fork of the current version runs what is new, and says clearly what is gone", async () => {
  await using it = await rig();
  const { whole } = it;
  await whole.catalog.put("p", pipeline());
  const of = await run(whole, "p", { n: 1 });
  await whole.catalog.put("p", pipeline({ changed: "{{ $ }}" }));
  const { body, id } = await fork(whole, of, { from: "last", workflow: "current", mode: "live" });
  assert.ok(body.output.changed);
  assert.is((await get(whole, `/api/executions/${id}`)).version, 2);
  const added = JSON.parse(JSON.stringify(pipeline()).replaceAll('"last"', '"renamed"'));
  await whole.catalog.put("p", added);
  const gone = await fork(whole, of, { from: "last", workflow: "current" });
  assert.is(gone.status, 400);
  assert.match(gone.body.detail, /Version 3 of the workflow "p" has no node "last"/);
  assert.is((await fork(whole, of, { from: "renamed", workflow: "current", mode: "live" })).body.status, "completed");
  await whole.catalog.put("p", { nodes: [{ id: "other", type: "webhook", parameters: { path: "p" } }] });
  assert.is((await fork(whole, of, { workflow: "current" })).body.code, "trigger_not_found");
  await whole.catalog.delete("p");
  assert.is((await fork(whole, of, { workflow: "current" })).body.code, "workflow_not_found");
});

test("a fork that joins branches takes those that were done and do not come after its node", async () => {
  await using it = await rig();
  const { whole, calls } = it;
  await whole.catalog.put("j", {
    nodes: [
      { id: "hook", type: "webhook", parameters: { path: "j" } },
      call("left", "http://x.test/left"),
      call("right", "http://x.test/right"),
      transform("both", { left: "{{ left.body.call }}", right: "{{ right.body.call }}" }),
    ],
    connections: [
      { from: "hook", to: "left" },
      { from: "hook", to: "right" },
      { from: "left", to: "both" },
      { from: "right", to: "both" },
    ],
  });
  const of = await run(whole, "j", {});
  const before = await get(whole, `/api/executions/${of}/result`);
  const { body } = await fork(whole, of, { from: "left", mode: "live" });
  assert.equal(calls.slice(2), ["http://x.test/left"]);
  assert.equal(body.output, { ...before.output, left: 3 });
});

test("a fork works while the log lives, without saveExecutionToDatabase too, and fails clearly once it is gone", async () => {
  await using it = await rig();
  const { whole } = it;
  await whole.catalog.put("p", { ...pipeline(), settings: { saveExecutionToDatabase: false, resultTtlSeconds: 60 } });
  const of = await run(whole, "p", { n: 1 });
  assert.is((await fork(whole, of, {})).body.status, "completed");
  assert.is((await fork(whole, uuidv7(), {})).body.code, "execution_not_found");
});

test("Idempotency-Key makes one fork of any number of the same requests, and none of others", async () => {
  await using it = await rig();
  const { whole, calls } = it;
  await whole.catalog.put("p", pipeline());
  const [of, other] = [await run(whole, "p", { n: 1 }), await run(whole, "p", { n: 2 })];
  const before = calls.length;
  const send = (id: string, body: object, headers: Record<string, string> = {}) =>
    whole.app.request(`/api/executions/${id}/replay`, post(body as never, { "idempotency-key": "again", ...headers }));
  const body = { from: "second", mode: "live" };
  const responses = await Promise.all(Array.from({ length: 5 }, () => send(of, body, { prefer: "wait=30" })));
  const ids = new Set(responses.map(({ headers }) => headers.get("execution-id")));
  assert.is(ids.size, 1);
  assert.is(new Set(await Promise.all(responses.map((response) => response.text()))).size, 1);
  assert.is(responses.filter(({ headers }) => headers.get("idempotency-replayed") === "true").length, 4);
  assert.is(calls.length, before + 1);
  const later = await send(of, body);
  assert.equal([later.status, later.headers.get("execution-id")], [202, [...ids][0]]);
  assert.equal((await get(whole, `/api/executions/${of}`)).forks, [...ids]);
  for (const [id, changed] of [[of, { ...body, from: "last" }], [other, body]] as const) {
    const refused = await send(id, changed);
    assert.equal([refused.status, (await json(refused)).code], [422, "idempotency_key_reused"]);
  }
  const bad = await send(of, body, { "idempotency-key": "a b" });
  assert.equal([bad.status, (await json(bad)).code], [400, "invalid_idempotency_key"]);
  const others = await send(of, body, { authorization: "Bearer other" });
  assert.is.not(others.headers.get("execution-id"), [...ids][0]);
  assert.is((await get(whole, `/api/executions/${other}`)).forks, undefined);
});

test("POST …/replay refuses a bad body, and names its member", async () => {
  await using it = await rig();
  const { whole } = it;
  await whole.catalog.put("p", pipeline());
  const of = await run(whole, "p", { n: 1 });
  const bad: [unknown, string | undefined][] = [
    [[], undefined],
    [{ from: 1 }, "from"],
    [{ from: "" }, "from"],
    [{ from: "nobody" }, "from"],
    [{ from: "__proto__" }, "from"],
    [{ from: "1-1" }, "from"],
    [{ mode: "dry" }, "mode"],
    [{ workflow: "newest" }, "workflow"],
    [{ form: "second" }, "form"],
  ];
  for (const [body, parameter] of bad) {
    const { status, body: problem } = await fork(whole, of, body as object);
    assert.is(status, 400, JSON.stringify(body));
    assert.is(problem.parameter, parameter);
  }
  assert.is((await get(whole, `/api/executions/${of}`)).forks, undefined);
  assert.is((await fork(whole, of, { from: "hook" })).body.status, "completed");
});

test.run();
