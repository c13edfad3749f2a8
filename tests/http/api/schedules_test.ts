/**
 * `/api/schedules`, over a whole app in memory.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCommandLine } from "../../cli/command_line.ts";
import { openWholeApp, type WholeApp } from "../whole_app.ts";

const AT = "/api/schedules/report/nightly";
const DEFINITION = {
  name: "report",
  nodes: [
    { id: "nightly", type: "schedule", parameters: { cron: "0 3 * * *", timeZone: "Europe/Berlin", input: { n: 1 } } },
    { id: "same", type: "transform", parameters: { output: "{{ $ }}" } },
  ],
  connections: [{ from: "nightly", to: "same" }],
};

const test = suite("/api/schedules");
let whole: WholeApp;
const now = () => whole.store.clock.now();
const json = (body: unknown) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

test.before.each(async () => {
  whole = await openWholeApp();
  const { workflow } = await whole.catalog.put("report", DEFINITION);
  const [trigger] = workflow.schedules;
  await whole.store.schedules.sync("report", [{ trigger: trigger!, next: now() - 5000, dueAt: now() - 5000 }]);
});
test.after.each(async () => {
  await whole[Symbol.asyncDispose]();
});

const call = async (path: string, init?: RequestInit) => {
  const response = await whole.app.request(path, init);
  // deno-lint-ignore no-explicit-any
  return { status: response.status, headers: response.headers, body: await response.json() as any };
};

test("the list shows what each schedule is, and its next five times, page by page", async () => {
  const { workflow } = await whole.catalog.put("second", DEFINITION);
  await whole.store.schedules.sync("second", [{ trigger: workflow.schedules[0]!, next: now() + 9000, dueAt: now() }]);
  const { status, body } = await call("/api/schedules?limit=1");
  assert.is(status, 200);
  const [{ next, ...rest }] = body.schedules;
  assert.equal(rest, {
    ...{ workflowId: "report", node: "nightly", cron: "0 3 * * *", timeZone: "Europe/Berlin", catchUp: "last" },
    ...{ catchUpWindowSeconds: 3600, jitterSeconds: 0, input: { n: 1 }, paused: false, last: [], notes: [] },
  });
  assert.is(next.length, 5);
  assert.ok(next.slice(1).every((time: number, i: number) => time > next[i]));
  const second = await call(`/api/schedules?limit=1&cursor=${encodeURIComponent(body.nextCursor)}`);
  assert.equal(second.body.schedules.map((it: { workflowId: string }) => it.workflowId), ["second"]);
  assert.is(second.body.nextCursor, undefined);
  const one = await call("/api/schedules?workflow=second");
  assert.is(one.body.schedules.length, 1);
  assert.is((await call("/api/schedules?workflow=%00")).status, 400);
});

test("pause stops it, and resume notes what was left out", async () => {
  const paused = await call(`${AT}/pause`, { method: "POST" });
  assert.equal([paused.body.paused, paused.body.next], [true, []]);
  const { body } = await call(`${AT}/resume`, { method: "POST" });
  assert.is(body.paused, false);
  assert.ok(body.next[0] > now());
  assert.equal(body.notes.map(({ outcome, reason }: { outcome: string; reason: string }) => [outcome, reason]), [
    ["skipped", "paused"],
  ]);
});

test("run starts one now, with the trigger's input", async () => {
  const { status, headers, body } = await call(`${AT}/run`, { method: "POST" });
  assert.is(status, 202);
  assert.is(headers.get("location"), `/api/executions/${body.executionId}`);
  const result = await call(`/api/executions/${body.executionId}/result`, { headers: { prefer: "wait=30" } });
  assert.is(result.body.output.n, 1);
  assert.ok(Math.abs(result.body.output.scheduledAt - now()) < 60_000);
});

test("run takes an Idempotency-Key: sent again, it answers as before and starts nothing", async () => {
  const run = (key: string) => call(`${AT}/run`, { method: "POST", headers: { "idempotency-key": key } });
  const [first, second, other] = [await run("a"), await run("a"), await run("b")];
  assert.is(second.body.executionId, first.body.executionId);
  assert.equal([first, second].map(({ headers }) => headers.get("idempotency-replayed")), [null, "true"]);
  assert.is.not(other.body.executionId, first.body.executionId);
  assert.is((await run("a b")).status, 400);
});

test("a backfill starts each time of a span once, however often it is asked for", async () => {
  const from = Date.UTC(2026, 2, 28);
  const body = { from, to: "2026-04-01T00:00:00Z" };
  const first = await call(`${AT}/backfill`, json(body));
  assert.equal(first.body.executions.map(({ time }: { time: number }) => new Date(time).toISOString().slice(5, 16)), [
    "03-28T02:00",
    "03-29T01:00",
    "03-30T01:00",
    "03-31T01:00",
  ]);
  assert.equal([first.status, first.body.started, first.body.existing], [200, 4, 0]);
  const again = await call(`${AT}/backfill`, json(body));
  assert.equal([again.body.started, again.body.existing], [0, 4]);
});

test("a backfill of times that may have run, and are not remembered, takes a word", async () => {
  // Before its first version it ran nothing; from the second one on nobody knows when that was.
  await whole.catalog.put("report", { ...DEFINITION, name: "second" });
  const body = { from: "2026-03-28T00:00:00Z", to: "2026-04-01T00:00:00Z" };
  const refused = await call(`${AT}/backfill`, json(body));
  assert.equal([refused.status, refused.body.code, refused.body.parameter], [400, "invalid_parameter", "again"]);
  const [{ pointer, detail }] = refused.body.errors;
  assert.is(pointer, "/again");
  assert.match(detail, /^Must be true for times up to \d{4}-\S+Z: whether they have run is not remembered/);
  assert.equal((await call("/api/executions")).body.executions, []);
  const counts = async (more: object) => {
    const { started, existing } = (await call(`${AT}/backfill`, json({ ...body, ...more }))).body;
    return [started, existing];
  };
  assert.equal(await counts({ again: true }), [4, 0]);
  assert.equal(await counts({ again: true }), [0, 4]);
  const command = ["schedules", "backfill", "report", "nightly", body.from, body.to];
  const { code, err } = await runCommandLine(command, whole);
  assert.is(code, 1);
  assert.match(err, /again: Must be true/);
  assert.is((await runCommandLine([...command, "--again"], whole)).out, "Started 0, 4 had run before, 0 skipped");
  assert.is((await runCommandLine(["schedules", "list", "--again"], whole)).code, 2);
  const often = { id: "often", type: "schedule", parameters: { everySeconds: 10 } };
  await whole.catalog.put("often", { ...DEFINITION, nodes: [often], connections: [] });
  const { workflow } = await whole.catalog.put("often", { ...DEFINITION, name: "2", nodes: [often], connections: [] });
  await whole.store.schedules.sync("often", [{ trigger: workflow.schedules[0]!, next: now(), dueAt: now() }]);
  const to = now();
  const recent = await call("/api/schedules/often/often/backfill", json({ from: to - 20_000, to }));
  assert.equal([recent.status, recent.body.started], [200, 2]);
});

test("what makes no sense is refused, and names the field", async () => {
  for (
    const [body, pointer, detail] of [
      [{ from: 5, to: 5 }, "/to", "Must be later than from"],
      [{ from: "yesterday", to: 5 }, "/from", "Expected epoch milliseconds, or a time as ISO 8601 with an offset"],
      [{ from: 0, to: 8e15 }, "/to", "Must not be in the future"],
      [{ from: 0, to: 1_700_000_000_000 }, "/to", "The time span has more than 1000 runs: ask for less at once"],
    ] as const
  ) {
    const answer = await call(`${AT}/backfill`, json(body));
    assert.is(answer.status, 400);
    assert.equal(answer.body.errors, [{ pointer, detail }]);
  }
  for (const path of ["/api/schedules/report/other", "/api/schedules/nobody/nightly", "/api/schedules/__proto__/x"]) {
    const answer = await call(path);
    assert.equal([answer.status, answer.body.code], [404, "schedule_not_found"]);
  }
  assert.is((await call(`${AT}/run`)).status, 405);
});

test.run();
