// postgres
/**
 * `millrace history` against the app: what it exports is what was archived, and what it purges is gone.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { history } from "../../src/cli/history.ts";
import { Archiver } from "../../src/feed/archiver.ts";
import { withArchive } from "../../src/storage/archived_store.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import { openArchive } from "../../src/storage/postgres/archive.ts";
import { post } from "../http/harness.ts";
import { chain, openWholeApp } from "../http/whole_app.ts";
import { eventually } from "../support/eventually.ts";
import { openDatabase } from "../support/postgres.ts";

const database = await openDatabase();
const test = suite(`millrace history${database.skipped}`);
const databaseTest = database.only(test);
test.after(() => database.drop());

/** Runs the command against an app. */
async function run(
  args: string[],
  app: { request: (path: string, init: RequestInit) => Response | Promise<Response> },
) {
  const [out, errors]: [string[], string[]] = [[], []];
  const code = await history.run(args, {
    env: {},
    print: (line) => void out.push(line),
    printError: (line) => void errors.push(line),
    fetch: async (url, init) => await app.request(url.replace(/^http:\/\/[^/]+/, ""), init),
  });
  return { code, out: out.join("\n"), errors: errors.join("\n") };
}

test("export and purge refuse what they cannot do, each in a line", async () => {
  await using whole = await openWholeApp();
  assert.is((await run([], whole.app)).code, 2);
  assert.match((await run(["export"], whole.app)).errors, "Expected --before and a time");
  assert.match((await run(["drop", "--before", "1"], whole.app)).errors, 'Unknown command "drop"');
  const none = await run(["purge", "--before", "2026-01-01"], whole.app);
  assert.equal([none.code, /DATABASE_URL is not set/.test(none.errors)], [1, true]);
});

databaseTest("export writes every execution as a bundle, compressed too, and purge deletes them", async () => {
  await using archive = openArchive({ url: database.url!, instance: "test", historyDays: 30 });
  const store = createMemoryStore({ instance: "a" });
  await using whole = await openWholeApp({ store: withArchive(store, archive), workStore: store });
  const node = { id: "sum", type: "transform", parameters: { output: "{{ body.n }}" } };
  await whole.catalog.put("plain", chain("plain", [node]));
  const archiver = new Archiver({ feed: store.archiveFeed, log: store.log, archive, workflows: store.workflows });
  archiver.start();
  const dir = await mkdtemp(join(tmpdir(), "millrace-history-"));
  try {
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.push((await whole.app.request("/webhook/plain", post({ n }))).headers.get("execution-id")!);
    }
    for (const id of ids) await eventually(() => archive.meta(id).catch(() => undefined), "it is archived");
    const before = String(Date.now() + 60_000);
    const file = join(dir, "history.jsonl.gz");
    const exported = await run(["export", "--before", before, "--output", file], whole.app);
    assert.equal([exported.code, exported.errors], [0, "Exported 3 executions"]);
    const lines = gunzipSync(await readFile(file)).toString().trimEnd().split("\n").map((line) => JSON.parse(line));
    const heads = lines.filter(({ kind }) => kind === "millrace.bundle").map(({ executionId }) => executionId);
    assert.equal(heads, ids.toReversed());
    assert.equal(lines.at(-1), { kind: "millrace.history.end", executions: 3 });
    const outputs = lines.filter(({ type }) => type === "node.completed").map(({ data }) => data.output);
    assert.equal(outputs, [2, 1, 0]);
    assert.match((await run(["purge", "--before", "2020-01-01"], whole.app)).out, "Purged 0 executions");
    assert.match((await run(["purge", "--before", before, "--workflow", "other"], whole.app)).out, "Purged 0");
    assert.equal((await run(["purge", "--before", before], whole.app)).out, "Purged 3 executions");
    assert.is(await archive.meta(ids[0]!), undefined);
    const left = await database.query("SELECT id FROM millrace.logs");
    assert.equal(left, []);
    const wrong = await run(["export", "--before", "soon"], whole.app);
    assert.equal([wrong.code, /"before" to be epoch milliseconds/.test(wrong.errors)], [1, true]);
    for (const action of ["export", "purge"]) {
      const { code, errors } = await run([action, "--before", before, "--workflow", "\0"], whole.app);
      assert.equal([code, /"workflow" to be the id of one.* invalid_parameter/s.test(errors)], [1, true], errors);
    }
    const listed = await whole.app.request("/api/executions?workflow=%00");
    assert.is(listed.status, 400);
    assert.is((await whole.app.request("/api/workflows/plain?version=2147483647")).status, 404);
    assert.is((await whole.app.request("/api/workflows/plain?version=2147483648")).status, 400);
  } finally {
    await archiver.stop();
    await rm(dir, { recursive: true });
  }
});

test.run();
