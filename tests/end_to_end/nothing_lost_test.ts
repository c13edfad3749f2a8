// timeout: 240
/**
 * What was accepted ends, whoever dies: real processes are killed, stopped and told to go.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../src/lib/delay.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { eventually } from "../support/eventually.ts";
import { type Gates, openGates } from "./gates.ts";
import {
  chain,
  type Instance,
  post,
  putWorkflow,
  readEvents,
  RUNTIMES,
  startInstance,
  untilKnown,
} from "./instance.ts";

const test = suite("Nothing is lost");
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const env = {
  REDIS_URL: url,
  REDIS_PREFIX: prefix,
  LOG_LEVEL: "warn",
  LEASE_SECONDS: "3",
  MAX_DELIVERIES: "2",
  HTTP_ALLOW: "127.0.0.1",
};
const workers: Instance[] = [];
let [a, b]: [Instance, Instance] = [] as never;
let gates: Gates;
/** Whoever waits at a gate waits for the test. */
const patient = { timeoutSeconds: 600 };
const startWorker = async () => {
  const worker = await startInstance({ ...env, ROLES: "worker,assembler,scheduler" });
  workers.push(worker);
  return worker;
};
const stopWorkers = () => Promise.all(workers.splice(0).map((worker) => worker.stop()));
const wait = (seconds: number) => ({ id: "wait", type: "delay", parameters: { seconds } });
const double = { id: "double", type: "transform", parameters: { output: "{{ $trigger.body.n * 2 }}" } };

test.before(async () => {
  gates = await openGates();
  [a, b] = await Promise.all(["a", "b"].map((id) => startInstance({ ...env, ROLES: "http", INSTANCE_ID: id }))) as [
    Instance,
    Instance,
  ];
});
test.after(async () => {
  await Promise.all([a.stop(), b.stop(), stopWorkers()]);
  await gates[Symbol.asyncDispose]();
  await removeKeys(url, prefix);
});

test("a caller whose instance was killed gets the same bytes with the same key from another one", async () => {
  await putWorkflow(a.url, "keyed", {
    ...chain("keyed", [
      gates.node("keyed"),
      { id: "random", type: "transform", parameters: { output: "{{ $random() }}" } },
    ], patient),
  });
  await startWorker();
  const headers = { "idempotency-key": "order-1" };
  await untilKnown(b.url, "keyed");
  const lost = post(`${a.url}/webhook/keyed`, { n: 1 }, headers).then(() => "answered", () => "cut off");
  await gates.reached("keyed");
  a.process.kill("SIGKILL");
  assert.is(await lost, "cut off");
  const again = post(`${b.url}/webhook/keyed`, { n: 1 }, headers);
  gates.open("keyed");
  const second = await again;
  const bytes = await second.text();
  assert.is(second.status, 200);
  a = await startInstance({ ...env, ROLES: "http", INSTANCE_ID: "a" });
  const third = await post(`${a.url}/webhook/keyed`, { n: 1 }, headers);
  assert.is(await third.text(), bytes);
  assert.is(third.headers.get("execution-id"), second.headers.get("execution-id"));
  assert.is((await post(`${a.url}/webhook/keyed`, { n: 2 }, headers)).status, 422);
});

test("100 concurrent posts with one key to two instances make one execution", async () => {
  const calls = Array.from({ length: 100 }, async (_, i) => {
    const url = (i % 2 === 0 ? a : b).url;
    const response = await post(`${url}/webhook/keyed`, { n: 3 }, { "idempotency-key": "order-2" });
    return `${response.status} ${response.headers.get("execution-id")} ${await response.text()}`;
  });
  assert.is(new Set(await Promise.all(calls)).size, 1);
});

test("a retry and a pause survive the death of every worker", async () => {
  const calls: string[] = [];
  let isWell = false;
  const target = createServer((request, response) => {
    calls.push(String(request.headers["idempotency-key"]));
    response.writeHead(isWell ? 200 : 503, { "content-type": "application/json" }).end("7");
  }).listen(0, "127.0.0.1");
  await once(target, "listening");
  const call = {
    id: "call",
    type: "httpRequest",
    retry: { maxAttempts: 100, backoffMs: 1500, maxBackoffMs: 1500 },
    parameters: { url: `http://127.0.0.1:${(target.address() as AddressInfo).port}/` },
  };
  await putWorkflow(a.url, "durable", chain("durable", [call, wait(0.1), double], { responseMode: "onReceived" }));
  const { executionId } = await (await post(`${a.url}/webhook/durable`, { n: 4 })).json();
  const at = `${a.url}/api/executions/${executionId}`;
  const state = async () => await (await fetch(at)).json();
  await eventually(async () => (await state()).nodes.call?.status === "retrying", "the first failure");
  for (const worker of workers.splice(0)) worker.process.kill("SIGKILL");
  assert.is((await fetch(`${at}/pause`, { method: "POST" })).status, 200);
  await startWorker();
  const before = calls.length;
  // Longer than the lease of who was killed, and the retry that would be due.
  await pause(6000);
  assert.is((await state()).status, "paused");
  assert.is(calls.length, before, "no node starts in a pause");
  isWell = true;
  assert.is((await fetch(`${at}/resume`, { method: "POST" })).status, 200);
  const result = await resultOf(executionId);
  assert.equal([result.status, result.output], ["completed", 8]);
  assert.equal(calls, Array.from({ length: before + 1 }, () => `${executionId}:call`));
  target.close();
  target.closeAllConnections();
});

test("a worker that is told to go requeues what runs, and another goes on without waiting for the lease", async () => {
  await stopWorkers();
  const holding = { ...env, LEASE_SECONDS: "3600", DRAIN_SECONDS: "0", ROLES: "worker,assembler" };
  const first = await startInstance(holding);
  const second = await startInstance(holding);
  workers.push(second);
  await putWorkflow(
    a.url,
    "handed",
    chain("handed", [{ ...double, id: "first" }, gates.node("handed"), double], patient),
  );
  const calls = Array.from({ length: 10 }, (_, n) => post(`${a.url}/webhook/handed`, { n }));
  await gates.reached("handed", 10);
  assert.is(await first.stop("SIGTERM"), 0);
  gates.open("handed");
  for (const [n, call] of calls.entries()) {
    const response = await call;
    assert.is(await response.json(), 2 * n);
    const events = await readEvents(`${a.url}/api/executions/${response.headers.get("execution-id")}/events`);
    const ends = events.filter(({ event, data }) => event === "node.completed" && data.node === "first");
    assert.is(ends.length, 1, "what had completed is not run again");
  }
});

test("an execution that ends its workers becomes a dead letter, which can be looked at, run again and dropped", async () => {
  await stopWorkers();
  await putWorkflow(a.url, "poison", chain("poison", [gates.node("poison"), double], patient));
  const call = post(`${a.url}/webhook/poison`, { n: 21 });
  for (let kills = 0; kills < 2; kills++) {
    const worker = await startWorker();
    await eventually(async () => {
      const metrics = await (await fetch(`${worker.url}/metrics`)).text();
      return /^millrace_work_in_progress 1/m.test(metrics);
    }, "the worker's claim");
    await gates.reached("poison");
    worker.process.kill("SIGKILL");
    workers.length = 0;
  }
  await startWorker();
  const response = await call;
  const id = response.headers.get("execution-id")!;
  assert.is(response.status, 500);
  assert.is((await response.json()).error.code, "dead_letter");
  const listed = await millrace("dead", "list");
  assert.match(listed.output, id);
  assert.match((await millrace("dead", "show", id)).output, '"n": 21');
  gates.open("poison");
  const again = await (await fetch(`${a.url}/api/dead-letters/${id}/requeue`, { method: "POST" })).json();
  const result = await resultOf(again.executionId);
  assert.is(result.output, 42);
  const { deadLetters } = await (await fetch(`${a.url}/api/dead-letters`)).json();
  assert.equal(deadLetters, []);
  assert.is((await millrace("dead", "drop", id)).code, 1);
});

test("a cancel reaches the node on the other machine and cannot be overwritten", async () => {
  await putWorkflow(a.url, "endless", chain("endless", [gates.node("endless")], patient));
  const call = post(`${a.url}/webhook/endless`, {});
  await gates.reached("endless");
  const id = await eventually(async () => {
    const { executions } = await (await fetch(`${b.url}/api/executions?workflow=endless`)).json();
    return executions[0]?.executionId;
  }, "the execution in the list");
  assert.is((await fetch(`${b.url}/api/executions/${id}/cancel`, { method: "POST" })).status, 200);
  assert.is((await call).status, 500);
  gates.open("endless");
  await pause(500);
  assert.is((await (await fetch(`${b.url}/api/executions/${id}`)).json()).status, "cancelled");
});

test("an instance that is told to go answers whoever waits, and a second signal ends it at once", async () => {
  const going = await startInstance({ ...env, ROLES: "http", DRAIN_SECONDS: "3" });
  await putWorkflow(going.url, "slow", chain("slow", [wait(3600)], patient));
  const call = post(`${going.url}/webhook/slow`, {});
  await eventually(async () => {
    return /^millrace_waiters 1/m.test(await (await fetch(`${going.url}/metrics`)).text());
  }, "the caller");
  const stopped = going.stop("SIGTERM");
  const response = await call;
  assert.is(response.status, 503);
  assert.match(response.headers.get("location")!, response.headers.get("execution-id")!);
  assert.is((await response.json()).code, "shutting_down");
  assert.is(await stopped, 0);
  const hasty = await startInstance({ ...env, ROLES: "http", DRAIN_SECONDS: "3600" });
  hasty.process.kill("SIGTERM");
  await eventually(async () => (await fetch(`${hasty.url}/readyz`)).status === 503, "not ready");
  assert.is((await fetch(`${hasty.url}/livez`)).status, 200);
  assert.is(await hasty.stop("SIGTERM"), 1, "the hour is not waited out");
});

test.run();

/** Waits for the result of an execution, a minute at most. */
async function resultOf(executionId: string): Promise<{ status: string; output: unknown }> {
  return await eventually(async () => {
    const at = `${a.url}/api/executions/${executionId}/result`;
    const response = await fetch(at, { headers: { prefer: "wait=10" } });
    return response.status === 200 && await response.json();
  }, `the result of ${executionId}`);
}

/** Runs the command line against the instance `a`. */
async function millrace(...args: string[]): Promise<{ code: number | null; output: string }> {
  const [command, ...rest] = RUNTIMES.node;
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(command, [...rest, "src/main.ts", ...args], { env: { PATH, HOME, MILLRACE_URL: a.url } });
  let output = "";
  child.stdout.on("data", (data) => output += data);
  child.stderr.on("data", (data) => output += data);
  const [code] = await once(child, "close");
  return { code, output };
}
