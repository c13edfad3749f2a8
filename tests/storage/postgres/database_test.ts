// not quick: waits for locks
// postgres
/** The archive in PostgreSQL among others who use it: what waits for them, and what goes on. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Archive, ArchiveChunk } from "../../../src/feed/archive.ts";
import { type ArchiveOptions, openArchive } from "../../../src/storage/postgres/archive.ts";
import { pause } from "../../../src/lib/delay.ts";
import { eventually, WAIT_LIMIT_MS } from "../../support/eventually.ts";
import { openDatabase, withClient } from "../../support/postgres.ts";
import { chunkOf, put, sampleOf } from "./samples.ts";

const database = await openDatabase();
const test = suite(`Archive in PostgreSQL, among others${database.skipped}`);
const databaseTest = database.only(test);
const DAY_MS = 86_400_000;
const { signal } = new AbortController();

/** Opens an archive that is ready. */
async function open(options: Partial<ArchiveOptions> = {}): Promise<Archive & AsyncDisposable> {
  const archive = openArchive({ url: database.url!, instance: "test", historyDays: 30, ...options });
  if (await archive.whenReady({ timeoutMs: WAIT_LIMIT_MS, signal })) return archive;
  await archive[Symbol.asyncDispose]();
  throw new Error("The archive is not ready");
}

/** True once there is a partition of that day. */
async function hasDay(at: number): Promise<boolean> {
  const name = `millrace.executions_${new Date(at).toISOString().slice(0, 10).replaceAll("-", "")}`;
  const [row] = await database.query<{ there: boolean }>("SELECT to_regclass($1) IS NOT NULL AS there", [name]);
  return row!.there;
}

test.after(() => database.drop());

databaseTest("upkeep that a reader of all tables is in the way of is tried again, and all else goes on", async () => {
  const now = () => Date.now() + DAY_MS;
  const last = now() + 3 * DAY_MS;
  // Makes the tables, and the partitions of all days but the last.
  await (await open())[Symbol.asyncDispose]();
  assert.not.ok(await hasDay(last));
  const seen: unknown[] = [];
  const inTheWay = () => seen.filter((error) => (error as { code?: string }).code === "55P03").length;
  await withClient(database.url!, async (dump) => {
    await dump.query("BEGIN");
    await dump.query("LOCK TABLE millrace.executions, millrace.logs, millrace.values IN ACCESS SHARE MODE");
    await using archive = await open({ now, upkeepAgainMs: 1, onError: (error) => seen.push(error) });
    const sample = sampleOf();
    await eventually(() => put(archive, [sample]).then(() => true, () => false), "what has ended is stored");
    await eventually(() => archive.meta(sample.execution.executionId).catch(() => undefined), "it is read");
    await eventually(() => inTheWay() >= 2, "upkeep is tried again");
    assert.not.ok(await hasDay(last));
    await dump.query("COMMIT");
    await eventually(() => hasDay(last), "the last day has its partitions");
  });
});

databaseTest("store() takes as long as it takes, while each statement has its answer in time", async () => {
  const writeMs = 2000;
  await using archive = await open({ writeMs });
  const samples = Array.from({ length: 5 }, () => sampleOf());
  const ids = samples.map(({ execution }) => execution.executionId);
  /** Takes longer than any statement may, its time to answer included. */
  async function* slow(): AsyncIterable<ArchiveChunk> {
    for (const sample of samples) {
      yield* chunkOf([sample]);
      await pause(writeMs / 2);
    }
  }
  await eventually(() => archive.store(ids, slow()).then(() => true, () => false), "all are stored");
  for (const id of ids) await eventually(() => archive.meta(id).catch(() => undefined), "each is read");
});

databaseTest("store() that others are in the way of is refused for now, and the database is there", async () => {
  const seen: unknown[] = [];
  await using archive = await open({ writeMs: 1000, onError: (error) => seen.push(error) });
  const sample = sampleOf();
  const attempt = () => put(archive, [sample]).then(() => "stored", (error) => error);
  await withClient(database.url!, async (other) => {
    await other.query("BEGIN");
    await other.query("LOCK TABLE millrace.executions IN SHARE MODE");
    const error = await eventually(async () => {
      const refused = await attempt();
      return refused.cause?.code === "57014" && refused;
    }, "its time is over");
    assert.is(error.code, "unavailable");
    assert.not.ok(seen.includes(error.cause), "it is not lost by that");
    await other.query("COMMIT");
  });
  await eventually(async () => await attempt() === "stored", "it is stored");
});

databaseTest("who finds all connections in use is refused alone, and the database is there", async () => {
  const seen: unknown[] = [];
  await using archive = await open({ onError: (error) => seen.push(error) });
  const { execution: { executionId } } = sampleOf();
  const read = () => archive.meta(executionId).then(() => undefined, (error) => error.cause?.name ?? error.message);
  await withClient(database.url!, async (other) => {
    await eventually(async () => {
      await other.query("BEGIN");
      await other.query("LOCK TABLE millrace.executions IN ACCESS EXCLUSIVE MODE");
      const reads = [read(), read(), read(), read()];
      const refused = await read();
      await other.query("COMMIT");
      // On a machine that stood still they have been refused for their time.
      return (await Promise.all(reads)).every((error) => error === undefined) && refused === "BusyError";
    }, "only the last is refused");
  });
  assert.not.ok(seen.some((error) => /timeout exceeded|in use/.test((error as Error).message)), "it is lost by that");
});

test.run();
