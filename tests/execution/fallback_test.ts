/**
 * Whom the fallback tells what: callers and followers of executions that run in memory.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { idempotencyKeyReused } from "../../src/execution/refusals.ts";
import { mayFallBack } from "../../src/execution/may_fall_back.ts";
import type { Reply } from "../../src/execution/replies.ts";
import type { Submit } from "../../src/execution/submit.ts";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { eventually } from "../support/eventually.ts";
import { END, follow, heard, openOutage, submission, waitsForEver } from "./fallback_rig.ts";

test("mayFallBack() lets go to memory what loses nothing by it, and never what is run or was recorded elsewhere", () => {
  assert.is(mayFallBack(submission()), true);
  assert.is(mayFallBack(submission({ settings: { fallback: false } })), false);
  assert.is(mayFallBack({ ...submission(), wait: undefined }), false);
  assert.is(mayFallBack({ ...submission({ settings: { fallback: true } }), wait: undefined }), true);
  const identity = { id: uuidv7(0), workflowId: "w", version: 1 };
  for (const settings of [{}, { fallback: true }]) {
    assert.is(mayFallBack(submission({ parameters: { executor: "external" }, settings })), false);
    const fork = { executionId: uuidv7(0), mode: "live" as const, workflow: "recorded" as const, identity };
    assert.is(mayFallBack({ ...submission({ settings }), fork }), false);
  }
});

test("all callers of an execution in memory are told that it moved", async () => {
  await using opened = openOutage();
  const { fallback } = opened;
  const idempotency = { key: "k", fingerprint: "f", ttlSeconds: 60 };
  const first = await fallback.submit({ ...submission(), idempotency });
  const second = await fallback.submit({ ...submission(), idempotency });
  assert.equal([second.executionId, second.replayed], [first.executionId, true]);
  const replies = heard([first.reply!, second.reply!]);
  opened.back();
  fallback.start();
  await eventually(() => replies.length === 2, "both are answered");
  assert.equal(replies.map(({ result }) => result?.output), ["from the store", "from the store"]);
});

test("all callers of what the store had accepted are answered when it ends in memory", async () => {
  const executionId = uuidv7(Date.now());
  /** As a waiter does, whose caller goes. */
  const submit: Submit = ({ signal }) => {
    const reply = new Promise<Reply>((resolve) =>
      signal!().addEventListener("abort", () => resolve({ interrupted: "caller gone" }))
    );
    return Promise.resolve({ executionId, replayed: false, reply });
  };
  await using opened = openOutage(submit);
  const { fallback, memory } = opened;
  opened.back();
  const callers = [await fallback.submit(submission()), await fallback.submit(submission())];
  const replies = heard(callers.map(({ reply }) => reply!));
  opened.away();
  fallback.start();
  await eventually(() => callers.every(({ durability }) => durability === "memory"), "both wait for memory");
  assert.is(fallback.health().executions, 1);
  await memory.log.cancel(executionId);
  await eventually(() => replies.length === 2, "both are answered");
  assert.equal(replies.map(({ result }) => result?.status), ["cancelled", "cancelled"]);
});

test("what the store refuses does not run in memory, though the call had been given up", async () => {
  const submit: Submit = ({ signal }) =>
    new Promise((_, reject) => signal!().addEventListener("abort", () => reject(idempotencyKeyReused())));
  await using opened = openOutage(submit);
  const { fallback } = opened;
  opened.back();
  const answer = fallback.submit(submission()).then(() => "it ran", ({ code }) => code);
  opened.away();
  fallback.start();
  assert.is(await answer, "idempotency_key_reused");
  assert.is(fallback.health().executions, 0);
});

test("a call that comes as soon as the store is back is the store's alone", async () => {
  const signals: AbortSignal[] = [];
  const submit: Submit = (submission) => {
    signals.push(submission.signal!());
    return waitsForEver(submission);
  };
  await using opened = openOutage(submit);
  const { fallback, told } = opened;
  opened.back();
  void fallback.submit(submission());
  opened.away();
  fallback.start();
  await eventually(() => signals[0]!.aborted, "what the store had is taken for lost");
  // It has not looked since.
  opened.back();
  void fallback.submit(submission());
  assert.is(signals[1]!.aborted, false);
  // The next outage is one of its own.
  opened.away();
  await eventually(() => signals[1]!.aborted, "it is taken for lost in its turn");
  assert.equal(told, ["away", "back", "away"]);
});

test("a call that was answered hears of no loss", async () => {
  const signals: AbortSignal[] = [];
  const replies = [Promise.resolve<Reply>({ interrupted: "deadline" }), undefined, new Promise<Reply>(() => {})];
  const submit: Submit = ({ signal }) => {
    const reply = replies[signals.push(signal!()) - 1];
    return Promise.resolve({ executionId: uuidv7(0), replayed: false, ...(reply && { reply }) });
  };
  await using opened = openOutage(submit);
  const { fallback } = opened;
  opened.back();
  for (const _ of replies) await fallback.submit(submission());
  await replies[0];
  opened.away();
  fallback.start();
  await eventually(() => signals[2]!.aborted, "what has no answer is taken for lost");
  assert.equal(signals.map(({ aborted }) => aborted), [false, false, true]);
});

test("a tail goes on in the store when the execution has moved there, after the event that it had last", async () => {
  await using opened = openOutage();
  const { fallback, log, memory } = opened;
  const { executionId } = await fallback.submit(submission());
  const followed = follow(log, executionId);
  await eventually(() => followed.ids.length === 1, "it follows in memory");
  await memory.log.pause(executionId);
  await eventually(() => followed.ids.length === 2, "it follows on in memory");
  const inMemory = (await memory.log.read(executionId)).map(({ id }) => id);
  opened.back();
  fallback.start();
  await eventually(() => followed.isOver, "it ends in the store");
  assert.equal(followed, { ids: [...inMemory, END.id], losses: 0, isOver: true });
});

test("a tail begins anew where the store ran the execution too, and says that events are missing", async () => {
  await using opened = openOutage();
  const { fallback, log, logs, memory } = opened;
  const { executionId } = await fallback.submit(submission());
  // It had ended there before it began here.
  const [requested] = await memory.log.read(executionId);
  logs.set(executionId, [{ ...requested!, id: "1-0" }, { ...END, id: "1-1" }]);
  const followed = follow(log, executionId);
  await eventually(() => followed.ids.length === 1, "it follows in memory");
  opened.back();
  fallback.start();
  await eventually(() => followed.isOver, "it ends in the store");
  assert.equal(followed, { ids: [requested!.id, "1-0", "1-1"], losses: 1, isOver: true });
});

test("a tail that has had nothing since its reader came begins anew there, too", async () => {
  await using opened = openOutage();
  const { fallback, log, logs, memory } = opened;
  const { executionId } = await fallback.submit(submission());
  const [requested] = await memory.log.read(executionId);
  logs.set(executionId, [{ ...requested!, id: "1-0" }, { ...END, id: "1-1" }]);
  const followed = follow(log, executionId, requested!.id);
  const moved = follow(log, executionId);
  await eventually(() => moved.ids.length === 1, "they follow in memory");
  opened.back();
  fallback.start();
  await eventually(() => followed.isOver, "it ends in the store");
  assert.equal(followed, { ids: ["1-0", "1-1"], losses: 1, isOver: true });
});

test("a tail that ends in memory, or is left, asks the store for nothing", async () => {
  await using opened = openOutage();
  const { fallback, log, logs, memory } = opened;
  const { executionId } = await fallback.submit(submission());
  logs.set(executionId, [END]);
  const controller = new AbortController();
  for await (const _ of log.tail(executionId, { signal: controller.signal })) controller.abort();
  const followed = follow(log, executionId);
  await memory.log.cancel(executionId);
  await eventually(() => followed.isOver, "it ends");
  assert.equal(followed.ids, (await memory.log.read(executionId)).map(({ id }) => id));
  // Behind its end there is nothing, wherever it is.
  const after = followed.ids.at(-1)!;
  for await (const _ of log.tail(executionId, { signal: new AbortController().signal, after })) assert.unreachable();
});

test.run();
