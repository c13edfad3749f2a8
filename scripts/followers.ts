/**
 * How soon followers hear of an event: `node --import tsx scripts/followers.ts [--followers 1000] [--executions 200]
 * [--rate 200] [--seconds 10]`.
 *
 * One instance, a Redis of its own, and followers over Server-Sent Events spread over executions that this program
 * reports. Each event is to reach all followers of its execution; the time counts from its entry id, which is Redis's
 * clock on the same machine, to the moment at which it is read here. Measured thrice: so, with one follower more of an
 * execution whose events are large, and with that one reading nothing. The last one is to be cut, and until then to
 * change nobody's figure; what it was sent lies in the system's buffers first, so its execution begins with more than
 * these take.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Agent, request } from "undici";
import { type Instance, post, startInstance } from "../tests/end_to_end/instance.ts";
import { percentile } from "./bench/load.ts";
import { readFlags } from "./flags.ts";
import { startRedis } from "./redis.ts";

const HELP = `Usage: node --import tsx scripts/followers.ts [options]

Measures how soon followers over Server-Sent Events hear of an event: alone, beside one whose events are large, and beside
one that reads nothing and is to be cut. Exit code 1 when an event did not reach everybody, or nobody was cut.

  --followers <n>    [1000]
  --executions <n>   over which they are spread [200]
  --rate <n>         events a second [200]
  --seconds <n>      each of the three takes [10]
  -h, --help         this text
`;

const { followers, executions, rate, seconds } = readFlags(HELP, {
  followers: 1000,
  executions: 200,
  rate: 200,
  seconds: 10,
});

/** What the followers heard. */
const heard = { delaysMs: [] as number[], counts: new Map<string, number>() };
const agent = new Agent({ connections: followers + 10, pipelining: 1, bodyTimeout: 0, headersTimeout: 0 });

/** Follows an execution's progress until the stream ends. */
async function follow(url: string, id: string): Promise<void> {
  const { body } = await request(`${url}/api/executions/${id}/events?type=execution.progress`, {
    dispatcher: agent,
    headers: { accept: "text/event-stream" },
  });
  body.setEncoding("utf8");
  let text = "";
  void (async () => {
    for await (const piece of body) {
      const now = Date.now();
      const blocks = (text += piece).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const entry = /^id: (\d+)-\d+\nevent: /m.exec(block);
        if (entry === null) continue;
        heard.delaysMs.push(now - Number(entry[1]));
        heard.counts.set(id, (heard.counts.get(id) ?? 0) + 1);
      }
    }
  })().catch(() => {});
}

/** What the noisy execution's log has before anybody follows it, and each of its events, in bytes. */
const NOISE_BEFORE = 12_000_000;
const NOISE = 100_000;
/** How often it has another one, in milliseconds. */
const NOISE_EVERY_MS = 200;
/** How long after the measurement it is waited for the cut, in milliseconds. */
const CUT_WITHIN_MS = 60_000;

/** Opens a stream of which nothing is read until it is told to. */
async function open(url: string, id: string): Promise<Socket> {
  const { host, port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET /api/executions/${id}/events HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\n\r\n`);
  return socket;
}

/** Reports large events of an execution until it is stopped. */
function makeNoise(url: string, id: string): { stop: () => Promise<void> } {
  const data = "x".repeat(NOISE);
  let stopped = false;
  const noise = (async () => {
    while (!stopped) {
      await report(url, id, { type: "progress", data });
      await new Promise((resolve) => setTimeout(resolve, NOISE_EVERY_MS));
    }
  })();
  return {
    stop: () => {
      stopped = true;
      return noise;
    },
  };
}

async function report(url: string, id: string, event: object): Promise<void> {
  const response = await post(`${url}/api/executions/${id}/events`, event);
  if (!response.ok) throw new Error(await response.text());
  await response.body?.cancel();
}

/** Reports at the rate, for the time; how many events each execution got. */
async function load(url: string, ids: readonly string[]): Promise<Map<string, number>> {
  const sent = new Map<string, number>();
  const until = performance.now() + seconds * 1000;
  const pending = new Set<Promise<void>>();
  for (let n = 0, dueAt = performance.now(); performance.now() < until; n++, dueAt += 1000 / rate) {
    const id = ids[n % ids.length]!;
    sent.set(id, (sent.get(id) ?? 0) + 1);
    const reporting = report(url, id, { type: "progress", progress: n % 100 });
    pending.add(reporting.finally(() => pending.delete(reporting)));
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt + 1000 / rate - performance.now())));
  }
  await Promise.all(pending);
  return sent;
}

/** One line of the table; false when a follower missed an event. */
async function measure(name: string, url: string, ids: readonly string[]): Promise<boolean> {
  heard.delaysMs.length = 0;
  heard.counts.clear();
  const sent = await load(url, ids);
  const each = followers / ids.length;
  const missing = () => [...sent].reduce((sum, [id, count]) => sum + count * each - (heard.counts.get(id) ?? 0), 0);
  for (let waited = 0; missing() > 0 && waited < 10_000; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const sorted = heard.delaysMs.toSorted((a, b) => a - b);
  const figures = [0.5, 0.95, 0.99, 1].map((part) => `${percentile(sorted, part)} ms`.padStart(9));
  console.log(
    `${name.padEnd(26)}${String(sorted.length).padStart(10)}${String(missing()).padStart(9)}${figures.join("")}`,
  );
  return missing() === 0;
}

await using redis = await startRedis({ json: true });
await using instance = await startInstance({ REDIS_URL: redis.url, LOG_LEVEL: "warn", MAX_FOLLOWERS: "2000" });
const { url } = instance;
const ids: string[] = [];
for (let n = 0; n <= executions; n++) {
  const created = await post(`${url}/api/executions`, { workflowId: "followed", timeoutSeconds: 3600 });
  const { executionId } = await created.json();
  ids.push(executionId);
  await report(url, executionId, { type: "started", totalSteps: 100 });
}
const noisy = ids.pop()!;
for (let n = 0; n < followers; n++) await follow(url, ids[n % ids.length]!);
console.log(`${followers} followers of ${executions} executions, ${rate} events/s\n`);
console.log(
  `${"".padEnd(26)}${"received".padStart(10)}${"missing".padStart(9)}${
    ["p50", "p95", "p99", "max"].map((it) => it.padStart(9)).join("")
  }`,
);
let isWhole = await measure("all of them read", url, ids);
for (let sent = 0; sent < NOISE_BEFORE; sent += NOISE) {
  await report(url, noisy, { type: "progress", data: "x".repeat(NOISE) });
}
const noise = makeNoise(url, noisy);
const reading = await open(url, noisy);
reading.resume();
isWhole = await measure("and one that reads much", url, ids) && isWhole;
reading.destroy();
const stalled = await open(url, noisy);
const openedAt = performance.now();
const cut = cutOf(instance);
isWhole = await measure("and one that reads nothing", url, ids) && isWhole;
const cutAt = await cut;
await noise.stop();
if (cutAt === undefined) console.log("\nThe one that reads nothing was not cut");
else {
  let left = 0;
  stalled.on("data", (data) => left += data.length);
  stalled.resume();
  await Promise.race([once(stalled, "close"), new Promise((resolve) => setTimeout(resolve, CUT_WITHIN_MS))]);
  console.log(
    `\nThe one that reads nothing was cut after ${((cutAt - openedAt) / 1000).toFixed(1)} s; ` +
      `of ${NOISE_BEFORE / 1e6} MB that were for it, the system had kept ${Math.round(left / 1000)} KB`,
  );
}
stalled.destroy();
await agent.destroy();
if (!isWhole || cutAt === undefined) process.exitCode = 1;

/** When the instance says that it has cut a follower; `undefined` when it does not. */
async function cutOf({ output }: Instance): Promise<number | undefined> {
  const until = performance.now() + seconds * 1000 + CUT_WITHIN_MS;
  while (performance.now() < until) {
    if (output().includes("event stream ended early")) return performance.now();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}
