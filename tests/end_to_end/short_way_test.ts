// timeout: 240
/**
 * The short way on real processes that serve and work: what they run themselves survives their end as anything else.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { type Gates, openGates } from "./gates.ts";
import { chain, type Instance, post, putWorkflow, readEvents, startInstance, untilKnown } from "./instance.ts";

const test = suite("The short way");
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const env = {
  REDIS_URL: url,
  REDIS_PREFIX: prefix,
  LOG_LEVEL: "warn",
  LEASE_SECONDS: "3",
  HTTP_ALLOW: "127.0.0.1",
  DRAIN_SECONDS: "0",
};
const double = { id: "double", type: "transform", parameters: { output: "{{ $trigger.body.n * 2 }}" } };
const wayOf = (response: Response) => /way;desc="([^"]+)"/.exec(response.headers.get("server-timing") ?? "")?.[1];
let [a, b]: [Instance, Instance] = [] as never;
let gates: Gates;

test.before(async () => {
  gates = await openGates();
  [a, b] = await Promise.all([startInstance(env), startInstance(env)]);
});
test.after(async () => {
  await Promise.all([a.stop(), b.stop()]);
  await gates[Symbol.asyncDispose]();
  await removeKeys(url, prefix);
});

test("the way stands in Server-Timing and in the state, and can be turned off", async () => {
  await putWorkflow(a.url, "pure", chain("pure", [double]));
  await putWorkflow(a.url, "gated", chain("gated", [gates.node("open")]));
  await putWorkflow(
    a.url,
    "waits",
    chain("waits", [{ id: "wait", type: "delay", parameters: { seconds: 0.5 } }, double]),
  );
  gates.open("open");
  const long = await startInstance({ ...env, LOCAL_FIRST: "false" });
  try {
    for (
      const [at, path, way] of [
        [a, "pure", "single-write"],
        [a, "gated", "local"],
        [a, "waits", "local"],
        [long, "pure", "queue"],
      ] as const
    ) {
      const response = await post(`${at.url}/webhook/${path}`, { n: 21 });
      assert.is(response.status, 200, await response.clone().text());
      assert.is(wayOf(response), way);
      const state = await (await fetch(`${a.url}/api/executions/${response.headers.get("execution-id")}`)).json();
      assert.equal([state.status, state.way], ["completed", way]);
    }
  } finally {
    await long.stop();
  }
});

test("far more callers than an instance has places are each answered once, whichever way", async () => {
  const small = await startInstance({ ...env, WORKER_CONCURRENCY: "8" });
  try {
    await putWorkflow(small.url, "many", chain("many", [double]));
    const answers = await Promise.all(Array.from({ length: 300 }, async (_, n) => {
      const response = await post(`${small.url}/webhook/many`, { n });
      return { status: response.status, body: await response.json(), id: response.headers.get("execution-id"), n };
    }));
    for (const { status, body, n } of answers) assert.equal([status, body], [200, 2 * n]);
    assert.is(new Set(answers.map(({ id }) => id)).size, 300);
    for (const { id } of answers) {
      const events = await readEvents(`${small.url}/api/executions/${id}/events`);
      assert.is(events.filter(({ event }) => event === "node.completed").length, 1, id!);
    }
  } finally {
    await small.stop();
  }
});

test("what a killed instance ran of its own goes on elsewhere, and answers who asks again with its key", async () => {
  await putWorkflow(a.url, "kept", chain("kept", [{ ...double, id: "first" }, gates.node("kept"), double]));
  const headers = { "idempotency-key": "order-1" };
  await untilKnown(b.url, "kept");
  const lost = post(`${a.url}/webhook/kept`, { n: 1 }, headers).then(() => "answered", () => "cut off");
  await gates.reached("kept");
  a.process.kill("SIGKILL");
  assert.is(await lost, "cut off");
  const again = post(`${b.url}/webhook/kept`, { n: 1 }, headers);
  gates.open("kept");
  const response = await again;
  assert.is(await response.json(), 2);
  const events = await readEvents(`${b.url}/api/executions/${response.headers.get("execution-id")}/events`);
  const count = (type: string, node?: string) =>
    events.filter(({ event, data }) => event === type && (node === undefined || data.node === node)).length;
  assert.equal([count("execution.started"), count("node.completed", "first")], [2, 1]);
  a = await startInstance(env);
});

test("an instance that is told to go hands over what it runs of its own, without waiting for the lease", async () => {
  const holding = { ...env, LEASE_SECONDS: "3600" };
  const going = await startInstance(holding);
  await putWorkflow(going.url, "handed", chain("handed", [gates.node("handed"), double]));
  const sent = await post(`${going.url}/webhook/handed`, { n: 4 }, { prefer: "respond-async" });
  assert.is(wayOf(sent), "local");
  await gates.reached("handed");
  assert.is(await going.stop("SIGTERM"), 0);
  gates.open("handed");
  const result = await fetch(`${a.url}${sent.headers.get("location")}/result`, { headers: { prefer: "wait=60" } });
  assert.is((await result.json()).output, 8);
});

test.run();
