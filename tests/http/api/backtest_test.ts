/**
 * Backtests over the whole app: what a draft would change, named exactly, without a call or a write.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import type { BacktestSummary, ExecutionReport } from "../../../src/replay/backtest.ts";
import { chain, type WholeApp } from "../whole_app.ts";
import { json, post } from "../harness.ts";
import { readMessages } from "../read_messages.ts";
import { BEFORE, definition, withRecorded } from "./recorded_orders.ts";

const COUNT = Number(process.env.BACKTEST_EXECUTIONS ?? 28);

/** The same as {@linkcode BEFORE} for all but the multiples of 7. */
const AFTER = "{{ $number(n) * ($number(n) % 7 = 0 ? 3 : 2) }}";

async function backtest(whole: WholeApp, body: object): Promise<{
  executions: ExecutionReport[];
  summary: BacktestSummary;
}> {
  const response = await whole.app.request("/api/workflows/orders/backtest", post(body as never));
  assert.is(response.status, 200, await response.clone().text());
  return await json(response);
}

test("a backtest of what ran finds all of it the same: clock, chance and calls are as they were", () =>
  withRecorded({ count: 5 }, async ({ whole, ids, calls }) => {
    const before = calls();
    const { executions, summary } = await backtest(whole, { executions: ids });
    assert.equal(executions, ids.map((executionId) => ({ executionId, outcome: "same" })));
    const { tookMs: _, ...counts } = summary;
    const none = { nodes: {}, unansweredNodes: {} };
    assert.equal(counts, { executions: 5, same: 5, changed: 0, unanswered: 0, skipped: 0, ...none });
    assert.is(calls(), before);
  }));

test("a backtest of a changed expression names exactly the executions and nodes that differ, and calls nobody", async () => {
  const written: string[] = [];
  const store = createMemoryStore({ instance: "test" });
  await withRecorded({ count: COUNT, store }, async ({ whole, ids, calls }) => {
    const before = calls();
    for (const name of ["request", "cancel", "pause"] as const) {
      const original = store.log[name].bind(store.log) as (...args: never[]) => Promise<never>;
      (store.log as unknown as Record<string, unknown>)[name] = (...args: never[]) => {
        written.push(name);
        return original(...args);
      };
    }
    const { executions, summary } = await backtest(whole, { definition: definition(AFTER), executions: ids });
    const expected = ids.filter((_, index) => (index + 1) % 7 === 0);
    assert.equal(executions.filter(({ outcome }) => outcome !== "same").map((it) => it.executionId), expected);
    for (const report of executions.filter(({ outcome }) => outcome === "changed")) {
      const n = ids.indexOf(report.executionId) + 1;
      assert.equal(report.nodes!.map(({ node, origin }) => [node, origin]), [
        ["price", true],
        ["wait", false],
        ["reply", false],
      ]);
      assert.equal(report.nodes![0]!.recorded, { status: "completed", output: { price: 2 * n, n } });
      assert.equal(report.nodes![0]!.new, { status: "completed", output: { price: 3 * n, n } });
    }
    assert.is(summary.changed, expected.length);
    assert.equal(summary.nodes, { price: expected.length, wait: expected.length, reply: expected.length });
    assert.is(calls(), before);
    assert.equal(written, []);
  });
});

test("a backtest says what the record cannot answer: another call, and one that was not made", () =>
  withRecorded({ count: 2 }, async ({ whole, ids, calls }) => {
    const before = calls();
    const other = await backtest(whole, {
      definition: definition(BEFORE, "http://shop.test/{{ body.n + 1 }}"),
      executions: ids,
    });
    for (const { outcome, unanswered } of other.executions) {
      assert.is(outcome, "unanswered");
      const reason = "The record has no answer to this call: it was another call";
      assert.equal(unanswered, [{ node: "rate", reason }]);
    }
    assert.equal(other.summary.unansweredNodes, { rate: 2 });
    const draft = definition(BEFORE);
    draft.nodes[1] = { ...draft.nodes[1], id: "rates" };
    const renamed = JSON.parse(JSON.stringify(draft).replaceAll('"rate"', '"rates"'));
    const { executions } = await backtest(whole, { definition: renamed, executions: ids });
    assert.match(executions[0]!.unanswered![0]!.reason, /the node did not run/);
    // The same call in other words is the same call.
    const same = await backtest(whole, { definition: definition(BEFORE, "http://shop.test/{{ $string(body.n) }}") });
    assert.is(same.summary.unanswered, 0);
    assert.is(calls(), before);
  }));

test("a backtest takes the newest executions by default, a version by its number, and skips what is not comparable", () =>
  withRecorded({ count: 3 }, async ({ whole, ids }) => {
    await whole.catalog.put("orders", definition(AFTER));
    const { signal } = new AbortController();
    await whole.store.projections.applyFeed(await whole.store.projections.takeFeed({ count: 100, blockMs: 1, signal }));
    const newest = await backtest(whole, { last: 2 });
    assert.equal(newest.executions.map((it) => it.executionId), ids.slice(1).reverse());
    assert.is((await backtest(whole, {})).executions.length, 3);
    assert.is((await backtest(whole, { version: 1 })).summary.same, 3);
    const unknown = uuidv7();
    const { executions, summary } = await backtest(whole, { executions: [unknown, ids[0]!] });
    assert.equal(executions[0], { executionId: unknown, outcome: "skipped", reason: "It is unknown, or has expired" });
    assert.is(summary.skipped, 1);
    const gone = { nodes: [{ id: "other", type: "webhook", parameters: { path: "other" } }] };
    const [report] = (await backtest(whole, { definition: gone, executions: [ids[0]!] })).executions;
    assert.is(report!.outcome, "changed");
    assert.match(report!.reason!, /no trigger "hook"/);
  }));

test("a backtest skips what another program ran, and takes a node's own failure for the workflow's, whatever its code", () =>
  withRecorded({ count: 0 }, async ({ whole }) => {
    const request = (path: string, body: object) => whole.app.request(path, post(body as never));
    const handedOut = chain("orders", []) as { nodes: { parameters: object }[] };
    Object.assign(handedOut.nodes[0]!.parameters, { executor: "external" });
    await whole.catalog.put("orders", handedOut);
    const called = request("/webhook/orders", { n: 1 });
    const { executions: [work] } = await json(await request("/api/work/take", { waitSeconds: 60 }));
    const error = { code: "bad", message: "No" };
    const reported = { epoch: work.epoch, events: [{ type: "started" }, { type: "failed", error }] };
    assert.is((await request(`/api/executions/${work.executionId}/events`, reported)).status, 200);
    await called;
    const fail = { id: "stop", type: "fail", parameters: { code: "{{ body.code }}" }, onError: "continue" as const };
    await whole.catalog.put("orders", chain("orders", [fail]));
    const continued = await request("/webhook/orders", { code: "not_recorded" });
    assert.is(continued.status, 200, "its failure is handled, as any other");
    const unhandled = { ...fail, onError: "fail" };
    await whole.catalog.put("orders", chain("orders", [unhandled]));
    const failed = await request("/webhook/orders", { code: "storage_full" });
    const ids = [work.executionId, failed.headers.get("execution-id")];
    const { executions } = await backtest(whole, { executions: ids });
    assert.equal(executions.map(({ outcome, reason }) => [outcome, reason]), [
      ["skipped", "Another program ran it"],
      ["same", undefined],
    ]);
  }));

test("a backtest comes as lines and as events too", () =>
  withRecorded({ count: 2 }, async ({ whole, ids }) => {
    const ask = (accept: string) =>
      whole.app.request("/api/workflows/orders/backtest", post({ executions: ids }, { accept }));
    const lines = (await (await ask("application/x-ndjson")).text()).trimEnd().split("\n").map((it) => JSON.parse(it));
    assert.equal(lines.map((line) => Object.keys(line)), [["execution"], ["execution"], ["summary"]]);
    const response = await ask("text/event-stream");
    assert.is(response.headers.get("content-type"), "text/event-stream");
    const messages = await readMessages(response);
    assert.equal(messages.map(({ event }) => event as string), ["execution", "execution", "summary"]);
    assert.is(messages[2]!.data.executions, 2);
    assert.is((await ask("image/png")).status, 406);
  }));

test.run();
