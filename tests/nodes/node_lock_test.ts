/**
 * `lock` of a node: one at a time for each name, over workflows.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Locks } from "../../src/locks/locks.ts";
import { RetryableError, TerminalError } from "../../src/lib/errors.ts";
import { MemoryLocks } from "../../src/storage/memory/locks.ts";
import { createRunLocked } from "../../src/nodes/run_locked.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import type { NodeContext } from "../../src/workflow/definition.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";
import { manual } from "../../src/nodes/manual.ts";
import { z } from "zod";
import { InvalidWorkflowError } from "../../src/lib/errors.ts";

interface Opened {
  readonly store: MemoryLocks;
  /** Runs the node once, for a customer. */
  run(customer: unknown, signal?: AbortSignal): Promise<unknown>;
  /** How many run at once, at most. */
  readonly most: () => number;
}

const opened: MemoryLocks[] = [];
test.after.each(() => opened.splice(0).forEach((store) => store.close()));

function open(lock: object | undefined, work: (signal: AbortSignal) => Promise<void>): Opened {
  let running = 0;
  let most = 0;
  const slow: NodeType = {
    type: "slow",
    hasSideEffects: true,
    parameters: z.strictObject({}),
    compile: () => async ({ signal, attempt, idempotencyKey }) => {
      most = Math.max(most, ++running);
      try {
        await work(signal);
      } finally {
        running--;
      }
      return { output: `${attempt} ${idempotencyKey}` };
    },
  };
  const store = new MemoryLocks();
  opened.push(store);
  const locks = new Locks({ store, clientId: "test" });
  const nodes = [
    { id: "start", type: "manual" },
    { id: "work", type: "slow", ...(lock && { lock }) },
  ];
  const definition = { nodes, connections: [{ from: "start", to: "work" }] };
  const nodeTypes = new Map([manual, slow].map((type) => [type.type, type as NodeType]));
  const { run } = compileDefinition(definition, { nodeTypes, runLocked: createRunLocked(locks) });
  return {
    store,
    most: () => most,
    run: async (customer, signal = new AbortController().signal) => {
      const input = { customer } as never;
      const execution = { id: "e", workflowId: "w", version: 1 };
      const context: NodeContext = {
        scope: { input, trigger: input, nodes: {}, execution, now: 0 },
        nodeId: "work",
        attempt: 1,
        progress: () => {},
        now: () => 0,
        signal,
        idempotencyKey: "e:work",
        traceparent: "",
      };
      return await run.get("work")!(context);
    },
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const failure = (work: Promise<unknown>) => work.then(() => undefined, (error) => error);

test("a node with a lock runs one at a time for each name, and passes on what it is given", async () => {
  const { run, most } = open({ name: "customer {{ customer }}" }, () => pause(20));
  const outputs = await Promise.all([run(1), run(1), run(1)]);
  assert.equal(outputs[0], { output: "1 e:work" });
  assert.is(most(), 1);
  await Promise.all([run(1), run(2), run(3)]);
  assert.is(most(), 3);
});

test("a node whose lock does not come in time has failed for now, and one without a name for good", async () => {
  const { run, store } = open({ name: "{{ customer }}", waitSeconds: 0.05 }, () => Promise.resolve());
  await store.acquire({ name: "a", owner: "other", mode: "exclusive", ttlMs: 60_000, waitMs: 0 });
  const late = await failure(run("a"));
  assert.instance(late, RetryableError);
  assert.is(late.code, "lock_unavailable");
  for (const customer of ["", null, {}, "-a", "x".repeat(300)]) {
    const error = await failure(run(customer));
    assert.instance(error, TerminalError, JSON.stringify(customer));
    assert.is(error.code, "invalid_lock");
  }
});

test("a node that loses its lock is stopped, and has failed for now", async () => {
  const stopped: string[] = [];
  const { run, store } = open({ name: "a" }, (signal) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        stopped.push("stopped");
        resolve();
      });
    }));
  const running = failure(run(1));
  while ((await store.inspect("a")).holders.length === 0) await pause(1);
  await store.acquire({ name: "a", owner: "thief", mode: "exclusive", ttlMs: 60_000, waitMs: 0, steal: true });
  const error = await running;
  assert.instance(error, RetryableError);
  assert.is(error.code, "lock_lost");
  assert.equal(stopped, ["stopped"]);
});

test("a node that is stopped while it waits, or runs, gives its lock back and throws why", async () => {
  const { run, store } = open(
    { name: "a" },
    (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  const reason = new TerminalError("aborted", "enough");
  const [first, second] = [new AbortController(), new AbortController()];
  const running = failure(run(1, first.signal));
  const waiting = failure(run(1, second.signal));
  while ((await store.inspect("a")).waiting === 0) await pause(1);
  second.abort(reason);
  assert.is(await waiting, reason);
  first.abort(reason);
  assert.is(await running, reason);
  assert.equal((await store.inspect("a")).holders, []);
});

test("a lease is of whole milliseconds, whatever the seconds that the definition names", async () => {
  // Times a thousand, they are 1000.9999999999999 ms and 100.4 ms.
  for (const ttlSeconds of [1.001, 0.1004]) {
    const { run } = open({ name: "a", ttlSeconds }, () => Promise.resolve());
    assert.equal(await run(1), { output: "1 e:work" });
  }
});

test("what is wrong with a lock is a fault of the definition", () => {
  for (const lock of [{}, { name: "" }, { name: "{{ ( }}" }, { name: "a", ttlSeconds: 0 }, { name: "a", x: 1 }]) {
    assert.throws(
      () => open(lock, () => Promise.resolve()),
      (error: unknown) =>
        error instanceof InvalidWorkflowError &&
        error.faults.every(({ pointer }) => pointer.startsWith("/nodes/1/lock")),
    );
  }
});

test.run();
