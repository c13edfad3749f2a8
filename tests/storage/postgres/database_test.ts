// not quick: waits for locks
// postgres
/** The archive in PostgreSQL among others who use it: what waits for them, and what goes on. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Archive } from "../../../src/feed/archive.ts";
import { type ArchiveOptions, openArchive } from "../../../src/storage/postgres/archive.ts";
import { eventually, WAIT_LIMIT_MS } from "../../support/eventually.ts";
import { openDatabase, withClient } from "../../support/postgres.ts";
import { put, sampleOf } from "./samples.ts";

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

test.run();
