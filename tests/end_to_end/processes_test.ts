// timeout: 300
/**
 * Several processes on one port: they serve as one instance would, are replaced, and end together.
 */
import { createServer } from "node:http";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Client } from "undici";
import { eventually, WAIT_LIMIT_MS } from "../support/eventually.ts";
import { startProxy } from "../support/tcp_proxy.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { type Gates, openGates } from "./gates.ts";
import {
  chain,
  type Instance,
  post,
  putWorkflow,
  readEvents,
  runMain,
  spawnMain,
  startInstance,
  untilServed,
} from "./instance.ts";

const test = suite("Processes");
const { url: redisUrl } = redisVariants()[0]!;
const prefix = uniquePrefix();
const env = {
  REDIS_URL: redisUrl,
  REDIS_PREFIX: prefix,
  PROCESSES: "2",
  INSTANCE_ID: "mill",
  LOG_LEVEL: "info",
  LEASE_SECONDS: "3",
  HTTP_ALLOW: "127.0.0.1",
  // Longer than the last answers take, however slow the machine is.
  DRAIN_SECONDS: "100",
};
const double = { id: "double", type: "transform", parameters: { output: "{{ $trigger.body.n * 2 }}" } };
let mill: Instance;
let gates: Gates;

test.before(async () => {
  gates = await openGates();
  mill = await startInstance(env);
});
test.after(async () => {
  await Promise.all([...clients].map((client) => client.destroy()));
  await mill.stop();
  await gates[Symbol.asyncDispose]();
  await removeKeys(redisUrl, prefix);
});

/** Connections, each of which stays with the process to which it was handed. */
const clients = new Set<Client>();

/** Calls over a connection to one process. */
class Caller {
  readonly #over: RequestInit;

  constructor(client: Client) {
    this.#over = { dispatcher: client } as RequestInit;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${mill.url}${path}`, { ...init, ...this.#over });
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return untilServed(() => post(`${mill.url}${path}`, body, headers, this.#over));
  }

  /** Waits until the process serves a webhook's path. */
  async knows(path: string): Promise<void> {
    await eventually(async () => (await this.fetch(`/webhook/${path}`, { method: "OPTIONS" })).status !== 404, path);
  }

  /** The metric's value, as this process tells it. */
  async metric(name: string): Promise<number> {
    const text = await (await untilServed(() => this.fetch("/metrics"))).text();
    return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
  }
}

/** Connects until the process of this name answers. */
async function callerOf(instance: string): Promise<Caller> {
  return await eventually(async () => {
    const client = new Client(mill.url, { headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 0 } });
    clients.add(client);
    const caller = new Caller(client);
    // A connection that is handed to a process while that dies is never answered, nor closed.
    const answer = await caller.fetch("/health", { signal: AbortSignal.timeout(10_000) })
      .then((response) => response.json(), () => undefined);
    if (answer?.instance === instance) return caller;
    clients.delete(client);
    await client.destroy();
    return undefined;
  }, `a connection to ${instance}`);
}

/** The id of a process, as the first one has logged it. */
function pidOf(number: number, { output }: Instance = mill): number {
  return Number(new RegExp(`"process":${number},"pid":(\\d+)`).exec(output())![1]);
}

test("both answer on one port, under names of their own, and the banner says how many there are", async () => {
  assert.match(mill.output(), /· 2 processes · http:\/\/127\.0\.0\.1:\d+\n/);
  await Promise.all([callerOf("mill-1"), callerOf("mill-2")]);
});

test("GET /metrics adds up what both have answered, whichever is asked", async () => {
  const both = await Promise.all([callerOf("mill-1"), callerOf("mill-2")]);
  await putWorkflow(mill.url, "pure", chain("pure", [double]));
  const name = 'millrace_http_requests_total{route="/webhook/*",status="200"}';
  for (const caller of both) await caller.knows("pure");
  const before = await both[0].metric(name);
  for (const [at, caller] of both.entries()) {
    for (let n = 0; n <= at; n++) assert.is(await (await caller.post("/webhook/pure", { n })).json(), 2 * n);
  }
  for (const caller of both) assert.is(await caller.metric(name), before + 3);
});

test("one that is killed is replaced; the other's callers notice nothing, and its own get the answer by their key", async () => {
  const both = await Promise.all([callerOf("mill-1"), callerOf("mill-2")]);
  await putWorkflow(
    mill.url,
    "kept",
    chain("kept", [{ ...double, id: "first" }, gates.node("kept"), double]),
  );
  for (const caller of both) await caller.knows("kept");
  const call = async (caller: Caller, n: number) => {
    const response = await caller.post("/webhook/kept", { n }, { "idempotency-key": `key-${n}` });
    return { id: response.headers.get("execution-id"), answer: await response.json() };
  };
  const cutOff = call(both[0], 1).then(() => "answered", () => "cut off");
  const stays = call(both[1], 2);
  await gates.reached("kept", 2);
  process.kill(pidOf(1), "SIGKILL");
  assert.is(await cutOff, "cut off");
  const again = call(await callerOf("mill-3"), 1);
  gates.open("kept");
  const answers = await Promise.all([again, stays]);
  assert.equal(answers.map(({ answer }) => answer), [2, 4]);
  for (const { id } of answers) {
    const events = await readEvents(`${mill.url}/api/executions/${id}/events`);
    assert.is(events.filter(({ event, data }) => event === "node.completed" && data.node === "first").length, 1);
  }
});

test("asked to end, as a terminal asks, all answer who waits, and then are gone, with exit code 0", async () => {
  const both = await Promise.all([callerOf("mill-2"), callerOf("mill-3")]);
  await putWorkflow(mill.url, "last", chain("last", [gates.node("last"), double]));
  for (const caller of both) await caller.knows("last");
  const calls = both.map((caller, n) => caller.post("/webhook/last", { n }));
  await gates.reached("last", 2);
  for (const number of [2, 3]) process.kill(pidOf(number), "SIGINT");
  const stopped = mill.stop("SIGINT");
  gates.open("last");
  for (const [n, call] of calls.entries()) {
    const response = await call;
    assert.equal([response.status, await response.json()], [200, 2 * n]);
  }
  assert.is(await stopped, 0, mill.output());
  for (const number of [2, 3]) assert.throws(() => process.kill(pidOf(number), 0), /ESRCH/);
});

test("GET /metrics is what the others have counted while one that was killed does not come up again", async () => {
  await using proxy = await startProxy(Number(new URL(redisUrl).port));
  const two = await startInstance({ ...env, REDIS_URL: proxy.url });
  try {
    proxy.newLinks("silent");
    process.kill(pidOf(1, two), "SIGKILL");
    // Before that the first process may give calls to the one that is gone.
    await eventually(() => two.output().includes(`"process":3,`), "a third is started");
    const { accepted } = proxy;
    await eventually(() => proxy.accepted > accepted, "the third asks for Redis");
    const response = await fetch(`${two.url}/metrics`, { signal: AbortSignal.timeout(WAIT_LIMIT_MS) });
    assert.is(response.status, 200, await response.clone().text());
    assert.match(await response.text(), /^millrace_waiters 0$/m);
  } finally {
    proxy.newLinks("work");
    assert.is(await two.stop(), 0, two.output());
  }
});

for (const PROCESSES of ["1", "2"]) {
  test(`asked to end while Redis does not answer, PROCESSES=${PROCESSES} are gone at once, with exit code 0`, async () => {
    const silent = createTcpServer((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const child = spawnMain([], { ...env, PROCESSES, REDIS_URL: `redis://127.0.0.1:${port}` });
    try {
      const ended = once(child, "exit");
      await Promise.race([once(silent, "connection"), ended]);
      child.kill("SIGTERM");
      assert.equal(await ended, [0, null]);
    } finally {
      child.kill("SIGKILL");
      silent.close();
    }
  });
}

test("what is wrong with the port is said once, and ends it all", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  try {
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await runMain([], { ...env, PORT: String(port) });
    assert.is(code, 1);
    assert.match(stderr, /^millrace: .*EADDRINUSE.*\n$/);
  } finally {
    taken.close();
  }
});

test.run();
