// postgres
// timeout: 180
/** The archive in PostgreSQL, by its port. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StoredEvent } from "../../../src/execution/event.ts";
import { LARGE } from "../../../src/execution/value.ts";
import type { Archive, ArchivedExecution } from "../../../src/feed/archive.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { openArchive } from "../../../src/storage/postgres/archive.ts";
import { eventually, WAIT_LIMIT_MS } from "../../support/eventually.ts";
import { openDatabase } from "../../support/postgres.ts";
import { watchSignals } from "../../support/watched_signals.ts";
import { chunkOf, eventsOf, put, type Sample, sampleOf } from "./samples.ts";

const database = await openDatabase();
const test = suite(`Archive in PostgreSQL${database.skipped}`);
const databaseTest = database.only(test);
const DAY_MS = 86_400_000;
const { signal } = new AbortController();

/** Opens an archive that is ready. */
async function open(options: { historyDays?: number; now?: () => number } = {}): Promise<Archive & AsyncDisposable> {
  const archive = openArchive({ url: database.url!, instance: "test", historyDays: 30, ...options });
  assert.ok(await archive.whenReady({ timeoutMs: WAIT_LIMIT_MS, signal }));
  return archive;
}

async function readAll(archive: Archive, id: string, options = {}): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const page of archive.pages(id, options)) {
    assert.ok(page.length > 0);
    events.push(...page);
  }
  return events;
}

test.after(() => database.drop());

databaseTest("store() and pages() give events back as they were, large values too", async () => {
  await using archive = await open();
  const at = Date.now();
  const large = "x".repeat(LARGE + 1);
  const sample = sampleOf({ requestedAt: at }, eventsOf(at, large));
  await put(archive, [sample]);
  const { executionId } = sample.execution;
  assert.equal(await readAll(archive, executionId), sample.events);
  assert.equal(await readAll(archive, executionId, { after: `${at}-0`, limit: 1 }), [sample.events[1]]);
  const [, bare] = await readAll(archive, executionId, { values: false });
  assert.equal(bare!.data, { output: null });
  assert.equal(await archive.result(executionId), { executionId, status: "completed", output: large });
  const { tags: _tags, lastNode: _lastNode, ...meta } = sample.execution;
  assert.equal(await archive.meta(executionId), meta);
  assert.is(await archive.meta(uuidv7()), undefined);
  assert.is(await archive.result(uuidv7()), undefined);
});

databaseTest("store() of the same twice, by two at once, keeps and counts each execution once", async () => {
  await using archive = await open();
  await using other = await open();
  const samples = Array.from({ length: 700 }, () => sampleOf({ workflowId: "counted" }));
  await Promise.all([put(archive, samples), put(other, samples), put(archive, samples.slice(0, 10))]);
  await put(other, samples);
  const [row] = await database.query<{ completed: string; duration_ms: string; longest_ms: string }>(
    "SELECT sum(completed) AS completed, sum(duration_ms) AS duration_ms, max(longest_ms) AS longest_ms " +
      "FROM millrace.hourly WHERE workflow_id = 'counted'",
  );
  assert.equal(row, { completed: "700", duration_ms: "3500", longest_ms: "5" });
});

databaseTest("store() keeps nothing of chunks whose source fails", async () => {
  await using archive = await open();
  const sample = sampleOf();
  async function* failing() {
    yield* chunkOf([sample]);
    throw new Error("the log is away");
  }
  try {
    await archive.store([sample.execution.executionId], failing());
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof Error);
  }
  assert.is(await archive.meta(sample.execution.executionId), undefined);
});

databaseTest("list() pages newest first by keyset, filters, searches errors and tags, and bounds times", async () => {
  await using archive = await open();
  const start = Date.now() - 2 * DAY_MS;
  const samples = Array.from({ length: 60 }, (_, i) => {
    const failed = i % 4 === 0;
    return sampleOf({
      workflowId: i % 2 === 0 ? "even" : "odd",
      requestedAt: start + i * 3_600_000,
      status: failed ? "failed" : "completed",
      ...(failed && { error: { code: "http_status", message: `Answer ${i} was 50%_off` } }),
      tags: i % 3 === 0 ? { customer: `ACME-${i}` } : {},
    });
  });
  await put(archive, samples);
  const model = samples.map(({ execution }) => execution).sort((a, b) => a.executionId < b.executionId ? 1 : -1);
  const mine = new Set(model.map(({ executionId }) => executionId));
  const collect = async (filter: object, limit = 7) => {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await archive.list({ limit, ...filter, ...(cursor !== undefined && { cursor }) });
      found.push(...page.executions.map(({ executionId }) => executionId).filter((id) => mine.has(id)));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
  };
  const expected = (keep: (execution: ArchivedExecution) => boolean) =>
    model.filter(keep).map(({ executionId }) => executionId);
  assert.equal(await collect({ from: start }), expected(() => true));
  assert.equal(await collect({ workflowId: "even" }), expected(({ workflowId }) => workflowId === "even"));
  assert.equal(await collect({ status: "failed" }), expected(({ status }) => status === "failed"));
  assert.equal(
    await collect({ workflowId: "even", status: "completed" }),
    expected(({ workflowId, status }) => workflowId === "even" && status === "completed"),
  );
  assert.equal(await collect({ q: "acme-3" }), expected(({ tags }) => tags.customer?.startsWith("ACME-3") ?? false));
  assert.equal(await collect({ q: "50%_OFF" }), expected(({ error }) => error !== undefined));
  assert.equal(await collect({ q: "50%xoff" }), []);
  const [from, to] = [start + 10 * 3_600_000, start + 20 * 3_600_000];
  assert.equal(
    await collect({ from, to }),
    expected(({ requestedAt }) => requestedAt >= from && requestedAt < to),
  );
  assert.equal(await collect({ status: "running" }), []);
});

databaseTest("partitions are made for days that are kept, and dropped when these are over", async () => {
  const now = Date.now();
  const old = sampleOf({ requestedAt: now - 5 * DAY_MS });
  {
    await using archive = await open({ historyDays: 6 });
    await put(archive, [old]);
    assert.ok(await archive.meta(old.execution.executionId));
    const gone = sampleOf({ requestedAt: now - 40 * DAY_MS });
    await put(archive, [gone]);
    assert.is(await archive.meta(gone.execution.executionId), undefined);
  }
  await using later = await open({ historyDays: 6, now: () => now + 2 * DAY_MS });
  assert.is(await later.meta(old.execution.executionId), undefined);
  const ahead = await database.query<{ name: string }>(
    "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid " +
      "WHERE i.inhparent = 'millrace.executions'::regclass ORDER BY 1",
  );
  const last = new Date(now + 5 * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "");
  assert.is(ahead.at(-1)!.name, `executions_${last}`);
});

databaseTest("hourly counts are dropped with the days that are no longer kept", async () => {
  const now = Date.now();
  const [old, young] = [5, 1].map((days) => sampleOf({ workflowId: "hours", requestedAt: now - days * DAY_MS }));
  const hours = async () => {
    const rows = await database.query<{ ms: string }>(
      "SELECT extract(epoch FROM hour) * 1000 AS ms FROM millrace.hourly WHERE workflow_id = 'hours' ORDER BY hour",
    );
    return rows.map(({ ms }) => Number(ms));
  };
  const hourOf = (sample: Sample) => sample.execution.endedAt - sample.execution.endedAt % 3_600_000;
  {
    await using archive = await open({ historyDays: 6 });
    await put(archive, [old!, young!]);
    assert.equal(await hours(), [hourOf(old!), hourOf(young!)]);
  }
  await using _later = await open({ historyDays: 6, now: () => now + 2 * DAY_MS });
  await eventually(async () => (await hours()).length === 1, "the old ones are dropped");
  assert.equal(await hours(), [hourOf(young!)]);
});

databaseTest("workflow() gives the versions that were stored", async () => {
  await using archive = await open();
  const definition = { name: "one", active: true, nodes: [], connections: [] } as never;
  const workflow = { id: "one", version: 3, definition, updatedAt: 17 };
  await archive.storeWorkflow(workflow);
  await archive.storeWorkflow(workflow);
  assert.equal(await archive.workflow("one", 3), workflow);
  assert.is(await archive.workflow("one", 4), undefined);
});

databaseTest("health() is up with its latency", async () => {
  await using archive = await open();
  const health = await archive.health();
  assert.is(health.status, "up");
  assert.ok(health.latency! >= 0);
});

test("openArchive() fails reads at once while there is no database, and is down", async () => {
  const seen: unknown[] = [];
  await using archive = openArchive({
    url: "postgres://127.0.0.1:1/none",
    instance: "test",
    historyDays: 30,
    onError: (error) => seen.push(error),
  });
  assert.not.ok(await archive.whenReady({ timeoutMs: 200, signal }));
  for (const read of [() => archive.meta(uuidv7()), () => archive.list({ limit: 1 })]) {
    try {
      await read();
      assert.unreachable();
    } catch (error) {
      assert.is((error as { code: string }).code, "unavailable");
    }
  }
  assert.is((await archive.health()).status, "down");
  await eventually(() => seen.length > 0, "the reason is told");
});

databaseTest("neither waits nor statements leave anything with the signals that end them", async () => {
  using signals = watchSignals();
  await using archive = openArchive({ url: database.url!, instance: "test", historyDays: 30 });
  const waits = Array.from({ length: 20 }, () => archive.whenReady({ timeoutMs: WAIT_LIMIT_MS, signal }));
  assert.equal(new Set(await Promise.all(waits)), new Set([true]));
  for (let n = 0; n < 20; n++) assert.is(await archive.meta(uuidv7()), undefined);
  assert.ok(signals.most <= 2, `one signal has ${signals.most} that were made of it`);
});

test.run();
