// not quick: stores go away and come back
// postgres
// timeout: 240
/**
 * The history, whole: what runs in a store is archived, and read from there as if the store still had it.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Archive } from "../../src/feed/archive.ts";
import { Archiver } from "../../src/feed/archiver.ts";
import { historyHealth } from "../../src/feed/history.ts";
import { withArchive } from "../../src/storage/archived_store.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import { openArchive } from "../../src/storage/postgres/archive.ts";
import type { Store } from "../../src/storage/store.ts";
import { json, post } from "../http/harness.ts";
import { chain, openWholeApp, type WholeApp } from "../http/whole_app.ts";
import { drivers } from "../storage/drivers.ts";
import { filesBelow } from "../support/database_files.ts";
import { eventually } from "../support/eventually.ts";
import { openDatabase } from "../support/postgres.ts";
import { startProxy, type TcpProxy } from "../support/tcp_proxy.ts";

const database = await openDatabase();

function open(url = database.url!): Archive & AsyncDisposable {
  return openArchive({ url, instance: "test", historyDays: 30 });
}

function archiverOf(store: Store, archive: Archive): Archiver {
  return new Archiver({ feed: store.archiveFeed, log: store.log, archive, workflows: store.workflows });
}

/** Workflows of every outcome: a value past what stands in a log, a response before a failure, a failure. */
async function putWorkflows({ catalog }: WholeApp): Promise<void> {
  const large = {
    id: "large",
    type: "transform",
    parameters: { output: { text: "{{ $nodes.hook.body.text }}" } },
  };
  const sum = { id: "sum", type: "transform", parameters: { output: { total: "{{ body.n + 1 }}" } } };
  const reply = { id: "reply", type: "httpResponse", parameters: { status: 201, body: { ok: "{{ total }}" } } };
  const fail = { id: "fail", type: "fail", parameters: { message: "no luck", code: "unlucky" } };
  await catalog.put("plain", chain("plain", [sum, reply]));
  await catalog.put("large", chain("large", [sum, large]));
  await catalog.put("failing", { ...chain("failing", [sum, fail]), settings: { tags: { n: "{{ body.n }}" } } });
  const early = chain("early", [sum, reply, fail]) as { nodes: { parameters: object }[] };
  early.nodes[0]!.parameters = { path: "early", responseMode: "responseNode" };
  await catalog.put("early", early);
  const secret = chain("secret", [sum]);
  await catalog.put("secret", { ...secret, settings: { saveExecutionToDatabase: false } });
}

async function call(whole: WholeApp, path: string, body: object = { n: 1 }): Promise<string> {
  const response = await whole.app.request(`/webhook/${path}`, post(body as never));
  await response.text();
  return response.headers.get("execution-id")!;
}

/** What every read answers of an execution. */
async function readings({ app }: WholeApp, id: string): Promise<string[]> {
  const ask = async (path: string, accept = "application/json") => {
    const response = await app.request(`/api/executions/${id}${path}`, { headers: { accept } });
    // How long a reader is to wait before it comes again is drawn anew each time; when it was exported differs too.
    return `${response.status} ${(await response.text()).replace(/^retry: \d+$|"exportedAt":\d+/m, "")}`;
  };
  return [
    await ask(""),
    await ask("/result"),
    await ask("/events"),
    await ask("/events?limit=2"),
    await ask("/events", "application/x-ndjson"),
    await ask("/events", "text/event-stream"),
    await ask("?at=2"),
    await ask("/export"),
    await ask(`/diff/${id}`),
  ];
}

async function archivedAll(archive: Archive, ids: readonly string[]): Promise<void> {
  for (const id of ids) await eventually(() => archive.meta(id).catch(() => undefined), `${id} is archived`);
}

for (const driver of drivers()) {
  const test = suite(`history on ${driver.name}${database.skipped}`);
  const databaseTest = database.only(test);
  test.after(() => driver.clean());

  databaseTest("every read answers the same from the archive as it did from the store", async () => {
    await using archive = open();
    await using store = await driver.open("a");
    await using whole = await openWholeApp({ store: withArchive(store, archive), workStore: store });
    await putWorkflows(whole);
    const ids: string[] = [];
    for (const path of ["plain", "large", "failing", "early"]) {
      ids.push(await call(whole, path, { n: 1, text: "é".repeat(path === "large" ? 40_000 : 1) }));
    }
    await eventually(async () => {
      const metas = await Promise.all(ids.map((id) => store.log.meta(id)));
      return metas.every((meta) => meta?.endedAt !== undefined);
    }, "all have ended");
    const before = await Promise.all(ids.map((id) => readings(whole, id)));
    const archiver = archiverOf(store, archive);
    archiver.start();
    try {
      await archivedAll(archive, ids);
    } finally {
      await archiver.stop();
    }
    assert.equal(archiver.counts, { lost: 0, refused: 0 });
    // A store that never heard of them, as after their time there.
    const empty = createMemoryStore({ instance: "b" });
    await using later = await openWholeApp({ store: withArchive(empty, archive), workStore: empty });
    const bundle = await (await later.app.request(`/api/executions/${ids[0]}/export`)).text();
    const taken = await later.app.request("/api/executions/import", { method: "POST", body: bundle });
    assert.equal([taken.status, (await taken.json()).code], [409, "execution_exists"]);
    for (const [i, id] of ids.entries()) assert.equal(await readings(later, id), before[i], id);
    const wanted = post({ from: "reply" }, { prefer: "wait=60" });
    assert.is((await json(await later.app.request(`/api/executions/${ids[0]}/replay`, wanted))).status, "completed");
    const listed = await (await later.app.request("/api/executions?q=unlucky&limit=500")).json();
    const found = listed.executions.map(({ executionId }: { executionId: string }) => executionId);
    assert.ok(found.includes(ids[2]) && found.includes(ids[3]) && !found.includes(ids[0]));
    const tagged = await (await later.app.request("/api/executions?q=N%3D1&limit=500")).json();
    assert.ok(tagged.executions.some(({ executionId }: { executionId: string }) => executionId === ids[2]));
    const cancel = await later.app.request(`/api/executions/${ids[0]}/cancel`, { method: "POST" });
    assert.is((await cancel.json()).code, "execution_ended");
  });

  // The driver makes no difference to it, and there are many files.
  if (driver.name === "redis") {
    databaseTest("what is not to be saved never reaches the database", async () => {
      await using archive = open();
      await using store = await driver.open("c");
      await using whole = await openWholeApp({ store, workStore: store });
      await putWorkflows(whole);
      const archiver = archiverOf(store, archive);
      archiver.start();
      try {
        const canary = (word: string) => `canary${word}${driver.name.length}x${Math.random().toString(36).slice(2)}`;
        const [hidden, shown] = [canary("hidden"), canary("shown")];
        await call(whole, "secret", { n: 1, word: hidden });
        const saved = await call(whole, "plain", { n: 1, word: shown });
        await archivedAll(archive, [saved]);
        await database.query("CHECKPOINT");
        const [row] = await database.query<{ data_directory: string }>("SHOW data_directory");
        // A file may be replaced while they are read: then they are read again, all of them.
        const files = await eventually(() => filesBelow(row!.data_directory), "a moment at which no file goes");
        // The files are there to be read, and what was saved is found in them: then what is not found is not there.
        assert.ok(files.some((file) => file.includes(shown)), "the saved canary is in the files");
        assert.not.ok(files.some((file) => file.includes(hidden)), "the other one is not");
      } finally {
        await archiver.stop();
      }
    });
  }

  if (driver.isShared) {
    databaseTest("archivers share the feed, and go on with what one of them left", async () => {
      await using archive = open();
      await using store = await driver.open("d");
      await using gone = await driver.open("gone");
      await using whole = await openWholeApp({ store, workStore: store });
      await putWorkflows(whole);
      const ids: string[] = [];
      for (let i = 0; i < 20; i++) ids.push(await call(whole, "plain", { n: i }));
      const signal = AbortSignal.timeout(60_000);
      const left = await eventually(async () => {
        const entries = await gone.archiveFeed.take({ count: 5, blockMs: 100, signal });
        return entries.length > 0 && entries;
      }, "one takes some of them");
      assert.ok(left.length > 0);
      assert.ok((await store.archiveFeed.backlog()).entries >= left.length);
      const archiver = archiverOf(store, archive);
      archiver.start();
      try {
        await archivedAll(archive, ids);
        await eventually(async () => (await store.archiveFeed.backlog()).entries === 0, "nothing is left");
      } finally {
        await archiver.stop();
      }
    });
  }
  test.run();
}

const away = suite(`history while PostgreSQL is away${database.skipped}`);
const awayTest = database.only(away);

async function proxied(): Promise<{ proxy: TcpProxy; url: string }> {
  const url = new URL(database.url!);
  const proxy = await startProxy(Number(url.port));
  url.port = new URL(proxy.url).port;
  return { proxy, url: url.href };
}

for (
  const [how, begin] of [
    ["is gone", (proxy: TcpProxy) => (proxy.newLinks("refused"), proxy.cut())],
    ["hangs", (proxy: TcpProxy) => (proxy.newLinks("silent"), proxy.silence())],
  ] as const
) {
  awayTest(`work goes on when it ${how}, the backlog waits, and it catches up`, async () => {
    const { proxy, url } = await proxied();
    await using _proxy = proxy;
    await using archive = open(url);
    const store = createMemoryStore({ instance: "a" });
    const historyOf = () => historyHealth({ archive, archiver, feed: store.archiveFeed, backlogSeconds: 60 });
    await using whole = await openWholeApp({
      store: withArchive(store, archive),
      workStore: store,
      deps: { historyHealth: historyOf },
    });
    await putWorkflows(whole);
    const archiver = archiverOf(store, archive);
    archiver.start();
    try {
      const first = await call(whole, "plain");
      await archivedAll(archive, [first]);
      begin(proxy);
      const ids: string[] = [];
      for (let i = 0; i < 10; i++) ids.push(await call(whole, "plain", { n: i }));
      const state = await whole.app.request(`/api/executions/${ids[0]}`);
      assert.is(state.status, 200);
      const health = await eventually(async () => {
        const response = await whole.app.request("/health");
        const body = await response.json();
        // A check that is late says no more than that it is down.
        return body.checks.database?.backlog !== undefined && body.status === "degraded" &&
          { status: response.status, body };
      }, "/health says so");
      assert.is(health.status, 200);
      assert.is(health.body.checks.database.status, "down");
      assert.is(health.body.checks.database.backlog.keptSeconds, 60);
      await eventually(async () => (await store.archiveFeed.backlog()).entries > 0, "the backlog waits");
      assert.is((await whole.app.request("/readyz")).status, 200);
      const list = await (await whole.app.request("/api/executions")).json();
      assert.is(list.incomplete, true);
      const unknown = await whole.app.request("/api/executions/018f0000-0000-7000-8000-000000000000");
      assert.is(unknown.status, 503);
      proxy.newLinks("work");
      await archivedAll(archive, ids);
      await eventually(async () => (await historyOf()).status === "up", "/health is up again");
    } finally {
      await archiver.stop();
    }
  });
}
away.after(() => database.drop());
away.run();
