// not quick: very many graphs
// timeout: 240
/**
 * Random workflows on the real worker, over the drivers: each ends, as a model of the design's text says, and so does
 * every run that goes on from a part of its log, without running again what had completed.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Worker } from "../../src/engine/worker.ts";
import { type EventData, isTerminal, type LogEvent, type StoredEvent } from "../../src/execution/event.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import { submitLocally } from "../../src/execution/submit_locally.ts";
import type { ExecutionResult, ResponseData } from "../../src/execution/result.ts";
import type { Store } from "../../src/storage/store.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileWorkflow } from "../../src/workflow/compile.ts";
import type { CompiledWorkflow } from "../../src/workflow/definition.ts";
import { awaitReply, drivers, requestOf, takeClaims } from "../storage/drivers.ts";
import { WAIT_LIMIT_MS } from "../support/eventually.ts";
import { logToEnd, typesOf } from "./bench_of_work.ts";
import { expect, type Expected, type Fate } from "./graph_model.ts";
import { canonical, type Graph, graphs, stepTypes } from "./graphs.ts";

/** How many graphs run at once, how often, and when no further batch is begun. */
const BATCH = 10;
const BATCHES = 8;
const MOST_MS = 30_000;
const INPUT = { n: 1 };

/** Where one execution is to go on: from the first events of a log. */
interface Part {
  readonly graph: Graph;
  readonly log: readonly StoredEvent[];
}

/** What came of it, and what its caller was answered. */
interface Outcome extends Part {
  readonly expected: Expected;
  readonly events: StoredEvent[];
  /** How often nodes were run, by their idempotency keys. */
  readonly calls: (node: string) => number;
  readonly reply: ExecutionResult;
  readonly result: ExecutionResult | undefined;
}

const [memory, redis] = drivers();
for (const driver of [memory!, redis!]) {
  const test = suite(`Any graph on ${driver.name}`);

  test("ends as the design says, from its start and from any part of its log", async () => {
    const store = await driver.open("a");
    const seed = Number(process.env.GRAPHS_SEED ?? Date.now() % 1_000_000);
    const startedAt = performance.now();
    let count = 0;
    try {
      for (let n = 0; n < BATCHES && performance.now() - startedAt < MOST_MS; n++) {
        const batch = fc.sample(graphs, { seed: seed + n, numRuns: BATCH });
        const whole = await runAll(store, batch.map((graph) => ({ graph, log: [] })));
        for (const outcome of whole) check(outcome);
        for (const outcome of await runAll(store, batch.map((graph) => ({ graph, log: [] })), "short")) check(outcome);
        const parts = whole.flatMap(({ graph, events }) =>
          Array.from({ length: events.length - 1 }, (_, n) => ({ graph, log: events.slice(0, n + 1) }))
        );
        for (const outcome of await runAll(store, parts)) check(outcome);
        count += 2 * whole.length + parts.length;
      }
      assert.ok(count > BATCH);
    } catch (error) {
      throw new Error(`With GRAPHS_SEED=${seed}: ${(error as Error).message}`);
    } finally {
      await store[Symbol.asyncDispose]();
      await driver.clean();
    }
  });

  test.run();
}

/**
 * Runs executions to their ends, each from the part of a log that is given; or on the short way, from their start.
 */
async function runAll(store: Store, parts: readonly Part[], way: "long" | "short" = "long"): Promise<Outcome[]> {
  const calls = new Map<string, number>();
  const steps = stepTypes((key) => calls.set(key, (calls.get(key) ?? 0) + 1));
  const nodeTypes = new Map([...createNodeTypes({ fetch }), ...steps]);
  const workflows = new Map<string, CompiledWorkflow>();
  const requests = parts.map(({ graph }, n) => {
    const definition = graph.definition as never;
    workflows.set(`g${n}`, compileWorkflow({ id: `g${n}`, version: 1, definition, updatedAt: 0 }, { nodeTypes }));
    const { trigger, replyEarly } = graph;
    return requestOf({ workflowId: `g${n}`, trigger, input: INPUT, replyTo: store.replies.instance, replyEarly });
  });
  const replies = requests.map(({ executionId }) =>
    awaitReply(store, executionId, { signal: AbortSignal.timeout(WAIT_LIMIT_MS) })
  );
  if (way === "long") await requestParts(store, parts, requests);
  const worker = new Worker({
    store,
    workflows: { get: (id) => Promise.resolve(workflows.get(id)) },
    name: "w",
    concurrency: 50,
    localFirst: way === "short",
    outputLimitBytes: 1_000_000,
  });
  worker.start();
  try {
    if (way === "short") {
      await Promise.all(requests.map(async (request) => {
        const workflow = workflows.get(request.workflowId)!;
        const place = worker.local.reserve(request.executionId, workflow)!;
        const options = { log: store.log, shortWay: store.shortWay, place, workflow, isOver: () => false };
        assert.is.not((await submitLocally(request, options)).way, "queue");
      }));
    }
    return await Promise.all(requests.map(async ({ executionId }, n): Promise<Outcome> => {
      const { graph, log } = parts[n]!;
      const events = await logToEnd(store, executionId).catch(async () => {
        const soFar = await store.log.read(executionId);
        throw new Error(`It has not ended: ${describe({ graph, log, events: soFar })}`);
      });
      const [reply, result] = await Promise.all([replies[n]!, store.log.result(executionId)]);
      const callsOf = (node: string) => calls.get(`${executionId}:${node}`) ?? 0;
      return { graph, log, expected: expect(graph, INPUT), events, calls: callsOf, reply, result };
    }));
  } finally {
    await worker.stop();
  }
}

/** Requests executions and writes the parts of their logs, for a worker to go on from there. */
async function requestParts(
  store: Store,
  parts: readonly Part[],
  requests: readonly ExecutionRequest[],
): Promise<void> {
  await Promise.all(requests.map((request) => store.log.request(request)));
  const claims = await takeClaims(store, requests.map(({ executionId }) => executionId));
  await Promise.all(claims.map(async (claim, n) => {
    const events = parts[n]!.log.slice(1).map(({ id: _, ...event }) => event as LogEvent);
    const { graph: { replyEarly, definition } } = parts[n]!;
    const isResponder = (id: string | undefined) =>
      definition.nodes.find((node) => node.id === id)?.type === "httpResponse";
    // As a worker writes them: the reply goes out with the event that it is due to.
    const responded = events.find(({ type, node }) => replyEarly && type === "node.completed" && isResponder(node));
    const response = (responded?.data as EventData["node.completed"] | undefined)?.output as unknown as ResponseData;
    const reply: ExecutionResult = { executionId: claim.executionId, status: "responded", response };
    const answer = responded === undefined ? {} : { reply };
    if (events.length > 0) await store.work.append(claim, { sequence: 1, events, ...answer });
    await store.work.requeue(claim);
  }));
}

function check(outcome: Outcome): void {
  try {
    checkNodes(outcome);
    checkEnd(outcome);
  } catch (error) {
    const { message, details = "" } = error as assert.Assertion;
    throw new Error(`${message} ${details}\n${describe(outcome)}`);
  }
}

/** The log, with a bar where it was cut, and the graph. */
function describe({ graph, log, events }: Part & { events: readonly StoredEvent[] }): string {
  const types = typesOf(events).map((type, n) => n > 0 && n === log.length ? `| ${type}` : type);
  return `${types.join(", ")}\n${canonical(graph as never)}`;
}

/** Every node did what it had to, once, and not before its turn. */
function checkNodes({ log, expected, events, calls }: Outcome): void {
  const { fates, tries, before, status } = expected;
  const ends = new Map<string, Fate>();
  const starts = new Map<string, number>();
  for (const [n, event] of events.entries()) {
    const { node } = event;
    if (node === undefined) continue;
    assert.not.ok(ends.has(node), `${event.type} of ${node} after its end`);
    for (const earlier of before.get(node)!) {
      if (fates.has(earlier)) assert.ok(ends.has(earlier), `${node} before the end of ${earlier}`);
    }
    if (event.type === "node.started" && n >= log.length) starts.set(node, (starts.get(node) ?? 0) + 1);
    const fate = fateOf(event);
    if (fate !== undefined) ends.set(node, fate);
  }
  for (const [node, fate] of ends) assert.equal(fate, fates.get(node), node);
  for (const [node, fate] of fates) {
    if (status === "completed") assert.ok(ends.has(node), `${node} has not ended`);
    if (fate.status === "skipped" || fate.status === "unreached") assert.not.ok(starts.has(node), `${node} started`);
    if (status === "completed" && log.length === 0) assert.is(starts.get(node), tries.get(node), `tries of ${node}`);
  }
  for (const { type, node } of log) if (type === "node.completed") assert.is(calls(node!), 0, `${node} ran again`);
}

/** How a node ended, by the event that says so. */
function fateOf(event: StoredEvent): Fate | undefined {
  if (event.type === "node.skipped") return { status: "skipped" };
  if (event.type === "node.failed") {
    return { status: "failed", code: event.data.error.code, handled: event.data.handled };
  }
  if (event.type !== "node.completed") return undefined;
  const { output, outputs = ["main"] } = event.data;
  return { status: "completed", output, outputs };
}

/** The end is the log's last event, the result says the same, and so does what the caller was answered. */
function checkEnd({ graph, expected, events, reply, result }: Outcome): void {
  const { status, fates, culprits, last, firstResponders, lastResponders } = expected;
  const end = events.at(-1)!;
  assert.is(events.filter(isTerminal).length, 1);
  assert.is(end.type, `execution.${status}`);
  assert.is(result?.status, status);
  const outputOf = (node: string) => {
    const fate = fates.get(node);
    return fate === undefined ? INPUT : fate.status === "completed" ? fate.output : undefined;
  };
  if (end.type === "execution.completed") {
    const { lastNode, responseNode } = end.data;
    assert.ok(last.includes(lastNode), `${lastNode} is not one of ${last}`);
    assert.equal(result?.output, outputOf(lastNode));
    const responders = graph.replyEarly ? firstResponders : lastResponders;
    if (responders.length === 0) assert.is(responseNode, undefined);
    else assert.ok(responders.includes(responseNode!), `${responseNode} is not one of ${responders}`);
    assert.equal(result?.response, responseNode === undefined ? undefined : outputOf(responseNode));
  }
  if (end.type === "execution.failed") {
    const { node = "", code } = end.data.error;
    assert.ok(culprits.includes(node), `${node} is not one of ${culprits}`);
    assert.is(code, (fates.get(node) as { code: string }).code);
    assert.equal(result?.error, end.data.error);
  }
  if (reply.status !== "responded") {
    assert.equal(reply, result);
    if (graph.replyEarly && status === "completed") assert.equal(firstResponders, [], "it answered at the end only");
    return;
  }
  assert.ok(graph.replyEarly, "it answered early");
  assert.equal(reply.response, result?.response, "the result has what the caller was answered");
  const responses = firstResponders.map(outputOf);
  assert.ok(responses.some((one) => canonical(one!) === canonical(reply.response as never)), "another response");
}
