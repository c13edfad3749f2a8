/**
 * What an execution on the long way costs Redis: how many commands its scripts call.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startRedis } from "../../../scripts/redis.ts";
import { APPEND, APPEND_LAST } from "../../../src/storage/redis/scripts/append.ts";
import { ASSEMBLE } from "../../../src/storage/redis/scripts/assemble.ts";
import { FINISH } from "../../../src/storage/redis/scripts/finish.ts";
import { REQUEST } from "../../../src/storage/redis/scripts/request.ts";
import { REQUEST_PLAIN } from "../../../src/storage/redis/scripts/request_plain.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { chainOf, makeBench } from "../../engine/bench_of_work.ts";
import { watchScripts } from "../../support/script_commands.ts";

/** As many as the assembler applies at once when there is much to do. */
const EXECUTIONS = 100;

test("an execution of pure nodes costs at most 18 commands in all its scripts, the assembler's share included", async () => {
  await using redis = await startRedis({ json: false });
  const store = await openRedisStore({ url: redis.url, instance: "a" });
  const bench = makeBench({});
  bench.define(
    "orders",
    chainOf([
      { id: "sum", type: "transform", parameters: { output: { total: "{{ n }}" } } },
      { id: "reply", type: "httpResponse", parameters: { status: 201, body: { ok: true } } },
    ]),
  );
  const worker = bench.worker(store);
  const { signal } = new AbortController();
  const { log, replies } = store;
  const call = async (n: number) => {
    const executionId = log.makeId({ workflowId: "orders", limited: false });
    const waiter = replies.wait(executionId, { timeoutMs: 60_000 });
    await bench.request(store, "orders", { executionId, input: { n }, replyTo: replies.instance });
    return (await waiter.reply).result?.output;
  };
  worker.start();
  // Until its first answer every request counts the queue.
  await call(0);
  const taken = { count: 10 * EXECUTIONS, blockMs: 5000, signal };
  for (let left = 2; left > 0;) left -= (await store.projections.takeFeed(taken)).length;
  const measure = async () => {
    const scripts = await watchScripts(redis.url, {
      request: REQUEST_PLAIN,
      again: REQUEST,
      append: APPEND,
      appendLast: APPEND_LAST,
      finish: FINISH,
      assemble: ASSEMBLE,
    });
    try {
      const outputs = await Promise.all(Array.from({ length: EXECUTIONS }, (_, n) => call(n)));
      const output = { status: 201, headers: {}, body: { ok: true } };
      assert.equal(outputs, Array(EXECUTIONS).fill(output));
      const entries = await store.projections.takeFeed(taken);
      assert.is(entries.length, 2 * EXECUTIONS);
      await store.projections.applyFeed(entries);
      return await scripts.called();
    } finally {
      scripts.stop();
    }
  };
  try {
    let called = await measure();
    // After a standstill of a second requests are sent again.
    while (called.again.length > 0) called = await measure();
    const { request, append, appendLast, finish, assemble } = called;
    assert.equal([append, appendLast], [[], []], "a pure workflow is written twice: requested, finished");
    assert.ok(request.length >= EXECUTIONS && finish.length >= EXECUTIONS);
    const commands = request.length + finish.length + assemble.length;
    const names = [request, finish].map((calls) => calls.slice(-(calls.length / EXECUTIONS)).join(" "));
    assert.ok(
      commands <= 18 * EXECUTIONS,
      `${commands / EXECUTIONS} commands: ${names.join("; ")}; ${assemble.join(" ")}`,
    );
  } finally {
    await worker.stop();
    await store[Symbol.asyncDispose]();
  }
});

test.run();
