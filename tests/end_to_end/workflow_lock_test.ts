// timeout: 240
/**
 * `settings.lock` on real processes: of one value one execution at a time, whatever becomes of who runs it.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { type Gates, openGates } from "./gates.ts";
import { chain, type Instance, post, putWorkflow, startInstance, untilKnown, untilServed } from "./instance.ts";

const test = suite("Workflow locks");
const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
const env = {
  REDIS_URL: url,
  REDIS_PREFIX: prefix,
  LOG_LEVEL: "warn",
  LEASE_SECONDS: "1",
  // No stall of a process under test makes a dead letter.
  MAX_DELIVERIES: "100",
  HTTP_ALLOW: "127.0.0.1",
  DRAIN_SECONDS: "0",
};
const started: Instance[] = [];
let gates: Gates;

async function start(): Promise<Instance> {
  const instance = await startInstance(env);
  started.push(instance);
  return instance;
}

test.before(async () => {
  gates = await openGates();
});
test.after(async () => {
  for (const instance of started) instance.process.kill("SIGCONT");
  await Promise.all(started.map((instance) => instance.stop()));
  await gates[Symbol.asyncDispose]();
  await removeKeys(url, prefix);
});

/** A node that waits at the gate which its request names. */
function gated() {
  const { parameters, ...node } = gates.node("work") as { id: string; type: string; parameters: { url: string } };
  const at = parameters.url.replace(/work$/, "{{ $trigger.body.gate }}");
  return { ...node, parameters: { ...parameters, url: at } };
}

/** Starts an execution for a customer; its id. */
async function request(at: Instance, customer: string, gate: string): Promise<string> {
  const headers = { prefer: "respond-async", "idempotency-key": crypto.randomUUID() };
  const response = await untilServed(() => post(`${at.url}/webhook/locked`, { customer, gate }, headers));
  assert.is(response.status, 202, await response.clone().text());
  return response.headers.get("execution-id")!;
}

async function stateOf(at: Instance, id: string): Promise<{ status: string }> {
  return await (await untilServed(() => fetch(`${at.url}/api/executions/${id}`))).json();
}

/** Waits for the end, and looks at the log: one terminal event. When its first claim and its end were written, by Redis's clock. */
async function ended(at: Instance, id: string): Promise<{ status: string; from: number; to: number }> {
  const api = `${at.url}/api/executions/${id}`;
  const waiting = await untilServed(() => fetch(`${api}/result`, { headers: { prefer: "wait=120" } }));
  await waiting.body?.cancel();
  const accept = { headers: { accept: "application/json" } };
  const { events } = await (await untilServed(() => fetch(`${api}/events`, accept))).json() as {
    events: { id: string; type: string }[];
  };
  const terminal = events.filter(({ type }) => /^execution\.(completed|failed|cancelled)$/.test(type));
  assert.is(terminal.length, 1, `one end in ${events.map(({ type }) => type)}`);
  const msOf = (id = "0") => Number(id.split("-")[0]);
  const from = msOf(events.find(({ type }) => type === "execution.started")?.id);
  return { status: terminal[0]!.type.replace("execution.", ""), from, to: msOf(terminal[0]!.id) };
}

test("kills, stalls and cancellations leave one of a value at a time, and let nobody wait for ever", async () => {
  const [a, b] = await Promise.all([start(), start()]);
  const workflow = chain("locked", [gated()], { responseMode: "lastNode" });
  const settings = { lock: "{{ body.customer }}", timeoutSeconds: 600 };
  await putWorkflow(a.url, "locked", { ...workflow, settings });
  await untilKnown(b.url, "locked");
  const refused = await post(`${b.url}/webhook/locked`, { gate: "none" });
  assert.equal([refused.status, (await refused.json()).code], [400, "invalid_lock"]);

  const first = await request(a, "ann", "ann-1");
  await gates.reached("ann-1");
  const [second, gone, third] = [
    await request(b, "ann", "ann-2"),
    await request(a, "ann", "ann-gone"),
    await request(b, "ann", "ann-3"),
  ];
  const other = await request(b, "bob", "bob-1");
  await gates.reached("bob-1");
  gates.open("bob-1");
  assert.is((await ended(b, other)).status, "completed");
  const cancelled = await untilServed(() => fetch(`${b.url}/api/executions/${gone}/cancel`, { method: "POST" }));
  assert.is(cancelled.status, 200, await cancelled.text());

  // Who runs it is killed: another goes on with it, before the next of its value.
  a.process.kill("SIGKILL");
  await a.stop();
  await gates.reached("ann-1");
  assert.is((await stateOf(b, second)).status, "pending");
  gates.open("ann-1");
  await gates.reached("ann-2");

  // Who runs it is stopped past its lease: another ends it, and what it does when it goes on changes nothing.
  b.process.kill("SIGSTOP");
  const c = await start();
  await gates.reached("ann-2", 2);
  assert.is((await stateOf(c, third)).status, "pending");
  gates.open("ann-2");
  await gates.reached("ann-3");
  b.process.kill("SIGCONT");
  gates.open("ann-3");
  gates.open("ann-gone");

  const ends = [await ended(c, first), await ended(c, second), await ended(c, third)];
  assert.equal(ends.map(({ status }) => status), ["completed", "completed", "completed"]);
  assert.ok(ends[0]!.to <= ends[1]!.from && ends[1]!.to <= ends[2]!.from, JSON.stringify(ends));
  assert.is((await ended(c, gone)).status, "cancelled");
  // The value is free.
  const last = await request(c, "ann", "ann-3");
  assert.is((await ended(c, last)).status, "completed");
});

test.run();
