/**
 * Readers of event streams whose connections are cut: by our own reading of the protocol, by the package `eventsource`,
 * and by a browser. `RECONNECTS` says how many reconnects there are at least; 10,000 prove the point:
 * `RECONNECTS=10000 node --import tsx scripts/test.ts --only end_to_end/followers`.
 */
import { execFile, spawn } from "node:child_process";
import { EventSource } from "eventsource";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { withSite } from "./followed_site.ts";

const RECONNECTS = Number(process.env.RECONNECTS ?? 100);
const FOLLOWERS = 10;
/** How often connections are cut at most, in milliseconds. */
const CUT_MS = 15;
const BROWSERS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/** Reads a stream until it ends or breaks off; says of each whole message its id and event. */
async function* read(url: string, lastId: string | undefined): AsyncGenerator<{ id?: string; event?: string }, "over"> {
  const headers = { accept: "text/event-stream", ...(lastId !== undefined && { "last-event-id": lastId }) };
  const response = await fetch(url, { headers });
  if (response.status === 204) return "over";
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of response.body!) {
    const blocks = (text += decoder.decode(bytes, { stream: true })).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
      const [id, event] = [fields.get("id"), fields.get("event")];
      if (id !== undefined || event !== undefined) {
        yield { ...(id !== undefined && { id }), ...(event !== undefined && { event }) };
      }
    }
  }
  throw new Error("The stream ended");
}

/** Cuts connections when something has come, again and again: nobody is kept from ever getting on. */
function cutting(cut: () => void): () => void {
  let cutAt = -Infinity;
  return () => {
    if (performance.now() - cutAt < CUT_MS) return;
    cutAt = performance.now();
    cut();
  };
}

/** Follows to the end, whatever breaks off; the ids in order, and how often it came back. */
async function follow(
  url: string,
  { isOver, heard }: { isOver: (ids: readonly string[]) => boolean; heard: () => void },
): Promise<{ ids: string[]; reconnects: number }> {
  const ids: string[] = [];
  let reconnects = -1;
  for (;;) {
    reconnects++;
    try {
      const stream = read(url, ids.at(-1));
      for (let next = await stream.next();; next = await stream.next()) {
        if (next.done) return { ids, reconnects };
        assert.is.not(next.value.event, "gap");
        if (next.value.id !== undefined && next.value.event !== undefined) {
          ids.push(next.value.id);
          heard();
        }
        if (isOver(ids)) return { ids, reconnects };
      }
    } catch (error) {
      if ((error as Error).message.includes("Expected") || /: (?!503)\d{3} /.test((error as Error).message)) {
        throw error;
      }
    }
  }
}

test(`followers of live executions miss nothing and get nothing twice over ${RECONNECTS} reconnects`, () =>
  withSite(async ({ whole, proxied, cut, start }) => {
    let [reconnects, followed] = [0, 0];
    const options = { isOver: () => false, heard: cutting(cut) };
    while (reconnects < RECONNECTS) {
      const id = await start();
      const all = await Promise.all(
        Array.from({ length: FOLLOWERS }, () => follow(`${proxied}/api/executions/${id}/events`, options)),
      );
      const expected = (await whole.store.log.read(id)).map((event) => event.id);
      assert.ok(expected.length > 10);
      for (const { ids, reconnects: more } of all) {
        assert.equal(ids, expected);
        reconnects += more;
        followed++;
      }
    }
    console.log(`${reconnects} reconnects of ${followed} followers: 0 gaps, 0 repeats`);
  }));

test("a follower of all executions misses nothing and gets nothing twice over reconnects", () =>
  withSite(async ({ whole, proxied, cut, start }) => {
    const { signal } = new AbortController();
    const feed = whole.store.projections.followFeed({ signal })[Symbol.asyncIterator]();
    const { value: at } = await feed.next();
    const url = `${proxied}/api/events?type=execution.completed&from=${(at as { cursor: string }).cursor}`;
    let hasCome = false;
    const cutNow = cutting(cut);
    const heard = () => {
      hasCome = true;
      cutNow();
    };
    const following = follow(url, { isOver: (ids) => ids.length === 20, heard });
    await start();
    await eventually(() => hasCome, "the first one's end");
    for (let n = 1; n < 20; n++) await start();
    const { ids, reconnects } = await following;
    assert.is(new Set(ids).size, 20);
    assert.ok(reconnects > 0);
  }));

test("the package eventsource follows an execution to its end, through a cut connection, and then stops", () =>
  withSite(async ({ whole, proxied, cut, start }) => {
    const id = await start();
    const source = new EventSource(`${proxied}/api/executions/${id}/events`);
    const ids: string[] = [];
    let errors = 0;
    const types = [
      "execution.requested",
      "execution.started",
      "node.started",
      "node.waiting",
      "node.completed",
      "execution.completed",
    ];
    for (const type of types) {
      source.addEventListener(type, ({ lastEventId }) => {
        ids.push(lastEventId);
        if (ids.length === 3) cut();
      });
    }
    source.addEventListener("error", () => errors++);
    await eventually(() => source.readyState === EventSource.CLOSED, "the end");
    assert.equal(ids, (await whole.store.log.read(id)).map((event) => event.id));
    assert.ok(errors >= 2);
  }));

const browser = process.env.BROWSER ?? await findBrowser();
const browsed = browser === undefined ? test.skip : test;
const missing = browser === undefined ? ` (skipped: none of ${BROWSERS.join(", ")} is installed)` : "";

browsed(
  `a browser's own EventSource follows an execution through a cut connection, and stops at its end${missing}`,
  async () => {
    let reported: { ids: string[]; errors: number } | undefined;
    let progress = 0;
    const page = (request: Request) => {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/progress") progress++;
      if (pathname === "/done") reported = JSON.parse(searchParams.get("got")!);
      if (pathname !== "/page") return pathname === "/progress" || pathname === "/done" ? new Response() : undefined;
      return new Response(PAGE, { headers: { "content-type": "text/html" } });
    };
    await withSite(async ({ whole, proxied, cut, start }) => {
      const id = await start();
      const flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-port=0",
      ];
      const child = spawn(browser!, [...flags, `${proxied}/page#${id}`], { stdio: "ignore" });
      try {
        await eventually(() => progress > 0, "the page's first event");
        cut();
        const { ids, errors } = await eventually(() => reported, "what the page got");
        assert.equal(ids, (await whole.store.log.read(id)).map((event) => event.id));
        assert.ok(errors >= 1);
      } finally {
        child.kill("SIGKILL");
      }
    }, page);
  },
);

const PAGE = `<!doctype html><script>
  const source = new EventSource("/api/executions/" + location.hash.slice(1) + "/events");
  const got = { ids: [], errors: 0 };
  for (const type of ["execution.requested", "execution.started", "node.started", "node.waiting", "node.completed",
    "execution.completed"]) {
    source.addEventListener(type, (event) => {
      got.ids.push(event.lastEventId);
      if (got.ids.length === 1) fetch("/progress");
    });
  }
  source.onerror = () => {
    got.errors++;
    if (source.readyState === EventSource.CLOSED) fetch("/done?got=" + encodeURIComponent(JSON.stringify(got)));
  };
</script>`;

async function findBrowser(): Promise<string | undefined> {
  for (const name of BROWSERS) {
    const isThere = await new Promise<boolean>((resolve) =>
      execFile("which", [name], (error) => resolve(error === null))
    );
    if (isThere) return name;
  }
  return undefined;
}

test.run();
