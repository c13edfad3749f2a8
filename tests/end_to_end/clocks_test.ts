// timeout: 240
/**
 * Workers on machines whose clocks are a minute off, and step while they work: nothing is early, late or made twice.
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";
import { pause } from "../../src/lib/delay.ts";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { chain, type Instance, post, putWorkflow, startInstance } from "./instance.ts";

const test = suite("Workers whose clocks are wrong");
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const MINUTE_MS = 60_000;
/** How long four seconds may take on a slow machine: by a wrong clock they would take a minute more. */
const MOST_MS = 4000 + MINUTE_MS - 5000;
const LEASE_SECONDS = 10;
const preload = fileURLToPath(new URL("../../scripts/chaos/clock_skew.ts", import.meta.url));
const env = { REDIS_URL: url, REDIS_PREFIX: prefix, LEASE_SECONDS: String(LEASE_SECONDS), HTTP_ALLOW: "127.0.0.1" };
const skewed = (skewMs: number, stepMs: number) => ({
  ...env,
  ROLES: "worker",
  NODE_OPTIONS: `${TYPESCRIPT.join(" ")} --import ${preload}`,
  MILLRACE_CLOCK_SKEW_MS: String(skewMs),
  MILLRACE_CLOCK_STEP_MS: String(stepMs),
});

/** What was asked of the server that the workflows call, and those who wait for its answer. */
const asked: string[] = [];
const held: ServerResponse[] = [];
const server = createServer((request, response) => {
  asked.push(request.url!);
  held.push(response);
});
let [front, ahead, behind]: [Instance, Instance, Instance] = [] as never;

test.before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  [front, ahead, behind] = await Promise.all([
    startInstance({ ...env, ROLES: "http,assembler" }),
    startInstance(skewed(MINUTE_MS, 0)),
    startInstance(skewed(-MINUTE_MS, -2 * MINUTE_MS)),
  ]);
});
test.after(async () => {
  await Promise.all([front, ahead, behind].map((instance) => instance.stop()));
  server.closeAllConnections();
  server.close();
  await removeKeys(url, prefix);
});

test("/health says how far each clock is off, and the log does so once", async () => {
  for (const [{ url, output }, offMs] of [[ahead, MINUTE_MS], [behind, -MINUTE_MS], [front, 0]] as const) {
    const clockOffsetMs = await eventually(async () => {
      const { checks } = await (await fetch(`${url}/health`)).json();
      return checks.redis.clockOffsetMs as number | undefined;
    }, "Redis has answered in time");
    assert.ok(Math.abs(clockOffsetMs - offMs) < MINUTE_MS / 2, `${clockOffsetMs} ms, not about ${offMs}`);
    assert.is(output().split('"message":"The system\'s clock is').length - 1, offMs === 0 ? 0 : 1, output());
  }
});

test("what is quick completes, what is not ends at its time, a delay takes its time", async () => {
  const wait = (seconds: number) => ({ id: "wait", type: "delay", parameters: { seconds } });
  const quick = { id: "done", type: "transform", parameters: { output: "done" } };
  const settings = (timeoutSeconds: number) => ({ settings: { timeoutSeconds } });
  await putWorkflow(front.url, "quick", { ...chain("quick", [quick]), ...settings(50) });
  await putWorkflow(front.url, "late", { ...chain("late", [wait(600)], { timeoutSeconds: 200 }), ...settings(4) });
  await putWorkflow(front.url, "delayed", chain("delayed", [wait(4), quick], { timeoutSeconds: 200 }));
  const ask = async (path: string, count: number, check: (answer: Response, tookMs: number) => void) => {
    await Promise.all(Array.from({ length: count }, async () => {
      const startedAt = performance.now();
      const answer = await post(`${front.url}/webhook/${path}`, {});
      check(answer, performance.now() - startedAt);
      await answer.body?.cancel();
    }));
  };
  // So many that both workers get some.
  await Promise.all([
    ask("quick", 12, ({ status }) => assert.is(status, 200)),
    ask("late", 12, ({ status }, tookMs) => {
      assert.is(status, 500);
      assert.ok(tookMs >= 3950 && tookMs < MOST_MS, `it ended after ${tookMs} ms`);
    }),
    ask("delayed", 12, ({ status }, tookMs) => {
      assert.is(status, 200);
      assert.ok(tookMs >= 3950 && tookMs < MOST_MS, `the delay took ${tookMs} ms`);
    }),
  ]);
});

test("clocks that step back by a minute make no call twice, and no dead letter", async () => {
  const { port } = server.address() as AddressInfo;
  const call = {
    id: "call",
    type: "httpRequest",
    parameters: { url: `http://127.0.0.1:${port}/{{ $execution.id }}`, timeoutSeconds: 200 },
  };
  await putWorkflow(front.url, "calls", chain("calls", [call], { timeoutSeconds: 200 }));
  const answers = Array.from({ length: 6 }, () => post(`${front.url}/webhook/calls`, {}));
  await eventually(() => held.length === 6, "six calls under way");
  for (const { process } of [ahead, behind]) process.kill("SIGWINCH");
  // Long enough for two takeovers, if nobody renewed.
  await pause(2.5 * LEASE_SECONDS * 1000);
  for (const response of held) response.end("{}");
  for (const answer of await Promise.all(answers)) {
    assert.is(answer.status, 200);
    await answer.body?.cancel();
  }
  assert.is(asked.length, 6, "each was called once");
  assert.is(new Set(asked).size, 6);
  const { deadLetters } = await (await fetch(`${front.url}/api/dead-letters`)).json() as { deadLetters: unknown[] };
  assert.equal(deadLetters, []);
});

test.run();
