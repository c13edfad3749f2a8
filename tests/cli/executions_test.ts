/**
 * The commands that run, follow, look at, compare, carry and test executions, against the whole app.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ApiCallError, type ApiClient } from "../../src/cli/api_client.ts";
import { followExecution } from "../../src/cli/follow.ts";
import { createProgressView } from "../../src/cli/progress.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
import { runCommandLine } from "./command_line.ts";
import { openWholeApp, type WholeApp } from "../http/whole_app.ts";

const definition = (output: string) => ({
  nodes: [
    { id: "start", type: "manual" },
    { id: "call", type: "httpRequest", parameters: { url: "http://x.test/" } },
    { id: "sum", type: "transform", parameters: { output: { total: output } } },
  ],
  connections: [{ from: "start", to: "call" }, { from: "call", to: "sum" }],
});

async function withApp(
  work: (it: { whole: WholeApp; cli: (...args: string[]) => ReturnType<typeof runCommandLine> }) => Promise<void>,
) {
  const fetch = () => Promise.resolve(Response.json({ n: 2 }));
  await using whole = await openWholeApp({ fetch });
  await whole.catalog.put("sums", definition("{{ body.n + $trigger.n }}"));
  await work({ whole, cli: (...args) => runCommandLine(args, { app: whole.app }) });
}

/** What the assembler would do, so that executions are listed. */
async function assemble({ store }: WholeApp): Promise<void> {
  const { signal } = new AbortController();
  const { projections } = store;
  await projections.applyFeed(await projections.takeFeed({ count: 500, blockMs: 1, signal }));
}

test("run starts a workflow, follows it line by line, prints its output, and exits by its outcome", () =>
  withApp(async ({ whole, cli }) => {
    const { code, out, err } = await cli("run", "sums", "--input", '{"n":3}');
    assert.is(code, 0, err);
    const lines = out.split("\n");
    assert.match(lines[0]!, /^[0-9a-f-]{36}$/);
    assert.ok(lines.some((line) => /^\d\d:\d\d:\d\d\.\d{3} {2}node\.completed {2}sum {2}\d+ ms$/.test(line)), out);
    assert.equal(JSON.parse(lines.slice(lines.indexOf("{")).join("\n")), { total: 5 });
    await whole.catalog.put("bad", {
      nodes: [{ id: "a", type: "manual" }, { id: "f", type: "fail", parameters: { message: "No", code: "no" } }],
      connections: [{ from: "a", to: "f" }],
    });
    const failed = await cli("run", "bad");
    assert.equal([failed.code, failed.err], [1, "no: No"]);
    assert.is((await cli("run", "nothing")).code, 2);
    const infinite = await cli("run", "sums", "--input", '{"n":1e400}');
    assert.is(infinite.code, 2);
    assert.match(infinite.err, /as --input: it has a number larger than a double can be/);
    const detached = await cli("run", "sums", "--detach", "--json", "--input", '{"n":1}');
    assert.is(JSON.parse(detached.out).executionId.length, 36);
  }));

test("tail goes on after connections that drop, with no event twice and none missing", () =>
  withApp(async ({ whole, cli }) => {
    const id = (await cli("run", "sums", "--detach")).out;
    const whole_ = await cli("tail", id, "--json");
    const events = whole_.out.split("\n").map((line) => JSON.parse(line).id);
    let opened = 0;
    const cut = await runCommandLine(["tail", id, "--json"], {
      app: whole.app,
      // Every answer ends after its first few events, in the middle of one.
      onResponse: (response) => {
        opened++;
        return new Response(response.body!.pipeThrough(cutAfter(700)), response);
      },
    });
    assert.is(cut.code, 0, cut.err);
    assert.equal(cut.out.split("\n").map((line) => JSON.parse(line).id), events);
    assert.ok(opened > 1, String(opened));
  }));

function cutAfter(bytes: number): TransformStream<Uint8Array, Uint8Array> {
  let left = bytes;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.error(new Error("cut"));
    },
  });
}

test("followExecution() gives up two minutes after a connection ended, however long nothing came over it", async () => {
  const { now } = performance;
  let passedMs = 0;
  performance.now = () => now.call(performance) + passedMs;
  /** A connection that brings an event, is silent for three minutes, and drops. */
  const silent = (type: string) => () => {
    const parts = [`id: 1-0\ndata: ${JSON.stringify({ type })}\n\n`];
    const pull = (controller: ReadableStreamDefaultController) => {
      const part = parts.shift();
      if (part !== undefined) return controller.enqueue(new TextEncoder().encode(part));
      passedMs += 180_000;
      controller.error(new Error("cut"));
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  };
  const refusedAfter = (ms: number) => () => {
    passedMs += ms;
    throw new ApiCallError("refused");
  };
  const follow = async (...answers: (() => Response)[]) => {
    const types: string[] = [];
    const open: ApiClient["open"] = () => new Promise((resolve) => resolve(answers.shift()!()));
    for await (const { type } of followExecution({ open, call: open }, "it")) types.push(type);
    return types;
  };
  try {
    const last = silent("execution.completed");
    assert.equal(await follow(silent("node.started"), refusedAfter(10_000), last), [
      "node.started",
      "execution.completed",
    ]);
    const gaveUp = await follow(silent("node.started"), refusedAfter(130_000), last).catch((error) => error.message);
    assert.is(gaveUp, "refused");
  } finally {
    performance.now = now;
  }
});

test("tail draws bars over themselves on a terminal", () =>
  withApp(async ({ whole, cli }) => {
    const id = (await cli("run", "sums", "--detach")).out;
    let drawn = "";
    const terminal = { columns: () => 80, write: (text: string) => void (drawn += text) };
    assert.is((await runCommandLine(["tail", id], { app: whole.app, terminal })).code, 0);
    assert.match(drawn.replaceAll("\x1b", "ESC"), /ESC\[\d+AESC\[J/);
    assert.match(drawn, /✓ sum {3}█{20} \d+ ms/);
  }));

test("what a node reports of itself is its part of the bar, and its line", () => {
  const events = [
    { type: "node.started", data: { attempt: 1 } },
    { type: "node.progress", data: { percent: 45.5, data: { rows: 7 } } },
  ].map((event, n) => ({ id: `${n}-0`, time: 0, node: "load", ...event }) as StoredEvent);
  let drawn = "";
  const lines: string[] = [];
  const terminal = { columns: () => 80, write: (text: string) => void (drawn = text) };
  for (const shown of [{ terminal }, { terminal: undefined }]) {
    const view = createProgressView({ ...shown, print: (line) => void lines.push(line) }, { json: false });
    for (const event of events) view.take(event);
  }
  assert.match(drawn, /… load █{9}░{11} 45 %\n/);
  assert.is(lines[1], "00:00:00.000  node.progress  load  45 %");
});

test("show draws when nodes ran, list and diff compare", () =>
  withApp(async ({ whole, cli }) => {
    const [a, b] = [
      (await cli("run", "sums", "--detach", "--input", '{"n":1}')).out,
      (await cli("run", "sums", "--detach", "--input", '{"n":2}')).out,
    ];
    for (const id of [a, b]) await cli("tail", id);
    const shown = await cli("show", a);
    assert.match(shown.out, /sums v1 {2}completed/);
    assert.match(shown.out, /^ {2}sum {4}\| *█+ *\| {2}\d+ ms {2}completed$/m);
    assert.match((await cli("show", a, "--at", "0")).out, /sums v1 {2}pending/);
    assert.is((await cli("show", a, "--at", "never")).code, 2);
    const different = await cli("diff", a, b);
    assert.is(different.code, 1);
    assert.match(different.out, /^sum .*output.* \{"total":3\} \/ \{"total":4\}$/m);
    assert.is((await cli("diff", a, a)).code, 0);
    await assemble(whole);
    const listed = await cli("list", "--workflow", "sums", "--limit", "1");
    assert.match(listed.out, new RegExp(`^EXECUTION[^\n]*\n${b}  sums v1 +completed`));
    assert.is(listed.out.split("\n").length, 2);
    assert.is((await cli("list", "--workflow", "none")).out, "No executions");
    assert.is((await cli("list", "--status", "odd")).code, 2);
  }));

test("replay starts a fork and follows it; export and import carry executions", () =>
  withApp(async ({ cli }) => {
    const id = (await cli("run", "sums", "--detach", "--input", '{"n":1}')).out;
    await cli("tail", id);
    const replayed = await cli("replay", id, "--from", "sum");
    assert.is(replayed.code, 0, replayed.err);
    assert.match(replayed.out, /"total": 3/);
    const failed = await cli("replay", id, "--from", "nobody");
    assert.equal([failed.code, failed.err.split("\n").length], [2, 1]);
    const folder = await mkdtemp(`${tmpdir()}/millrace-cli-`);
    try {
      const file = `${folder}/it.jsonl`;
      assert.is((await cli("export", id, "--output", file)).out, file);
      assert.match(await readFile(file, "utf8"), /^\{"kind":"millrace\.bundle"/);
      assert.match((await cli("import", file)).err, /execution_exists/);
      await using other = await openWholeApp();
      const imported = await runCommandLine(["import", file], { app: other.app });
      assert.equal([imported.code, imported.out], [0, id]);
      assert.match((await runCommandLine(["list"], { app: other.app })).out, /imported/);
      assert.is((await runCommandLine(["replay", id], { app: other.app })).code, 0);
      assert.is((await cli("import", `${folder}/none`)).code, 2);
      assert.is((await cli("export", id, "--output", `${folder}/no/where`)).code, 2);
    } finally {
      await rm(folder, { recursive: true });
    }
  }));

test("backtest names what would change and exits with 1, or with 0 when nothing would", () =>
  withApp(async ({ whole, cli }) => {
    const ids: string[] = [];
    for (const n of [1, 2]) ids.push((await cli("run", "sums", "--detach", "--input", `{"n":${n}}`)).out);
    for (const id of ids) await cli("tail", id);
    await assemble(whole);
    const folder = await mkdtemp(`${tmpdir()}/millrace-cli-`);
    try {
      const [same, draft] = [`${folder}/sums.json`, `${folder}/draft.json`];
      await writeFile(same, JSON.stringify({ id: "sums", ...definition("{{ body.n + $trigger.n }}") }));
      await writeFile(draft, JSON.stringify(definition("{{ $trigger.n = 2 ? 0 : body.n + $trigger.n }}")));
      assert.is((await cli("backtest", same)).code, 0);
      let drawn = "";
      const terminal = { columns: () => 80, write: (text: string) => void (drawn += text) };
      const args = ["backtest", draft, "--workflow", "sums", "--last", "10"];
      const { code, out } = await runCommandLine(args, { app: whole.app, terminal });
      assert.is(code, 1);
      assert.match(drawn, /█░+ 2\/10/);
      assert.match(
        out,
        new RegExp(
          `^${ids[1]}  changed\n  sum: \\{"total":4\\} → \\{"total":0\\}\n2 executions in \\d+ ms: 1 same, 1 changed`,
        ),
      );
      const lines = (await cli(...args, "--json")).out.split("\n").map((line) => JSON.parse(line));
      assert.is(lines.at(-1).summary.changed, 1);
      await writeFile(draft, JSON.stringify({ nodes: [{ id: "a", type: "nope" }] }));
      const refused = await cli(...args);
      assert.is(refused.code, 2);
      assert.match(refused.err, /at \/definition\/nodes\/0\/type: /);
      await writeFile(draft, "{");
      assert.is((await cli(...args)).code, 2);
    } finally {
      await rm(folder, { recursive: true });
    }
  }));

test.run();
