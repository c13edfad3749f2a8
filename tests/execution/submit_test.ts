import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError, UnavailableError } from "../../src/lib/errors.ts";
import type { ExecutionLog } from "../../src/execution/log.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import { createSubmit, executionIdOf } from "../../src/execution/submit.ts";
import { Waiters } from "../../src/execution/waiters.ts";
import { compiled } from "../http/workflows.ts";

const parts = { workflow: compiled("w"), trigger: "start", input: null };

/** A submit whose log answers as `request` says; what it was sent is kept. */
function submitTo(request: (made: ExecutionRequest, tries: number) => Promise<string>) {
  const sent: ExecutionRequest[] = [];
  const replies = new Waiters({ instance: "a", limit: 2 });
  let made = 0;
  const log = {
    makeId: () => `id-${++made}`,
    request: async (made: ExecutionRequest) => {
      sent.push(made);
      const executionId = await request(made, sent.length);
      return { executionId, isNew: executionId === made.executionId };
    },
    result: () => Promise.resolve(undefined),
    // A log that goes on: nothing is appended to it any more.
    // deno-lint-ignore require-yield
    async *tail(_id: string, { signal }: { signal: AbortSignal }) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  } as unknown as ExecutionLog;
  return { submit: createSubmit({ log, replies, historyTtlSeconds: 60 }), replies, sent };
}

function away(mayHaveHappened: boolean): UnavailableError {
  return new UnavailableError("away", { cause: undefined, mayHaveHappened });
}

async function refusal(call: Promise<unknown>): Promise<MillraceError> {
  const error = await call.then(() => undefined, (error) => error);
  assert.instance(error, MillraceError);
  return error;
}

test("submit() says the id once the request is appended, and waits for nothing where nobody does", async () => {
  const { submit, replies, sent } = submitTo(({ executionId }) => Promise.resolve(executionId));
  assert.equal(await submit(parts), { executionId: "id-1", replayed: false, way: "queue" });
  assert.is(sent[0]!.replyTo, undefined);
  assert.is(replies.size, 0);
});

test("submit() hands the reply on, even one that comes before the append has an answer", async () => {
  const result = { executionId: "id-1", status: "completed" } as const;
  const { submit, replies, sent } = submitTo(({ executionId }) => {
    assert.ok(replies.reply(result));
    return Promise.resolve(executionId);
  });
  const { reply } = await submit({ ...parts, wait: { timeoutMs: 60_000, replyEarly: true } });
  assert.equal(await reply, { result });
  assert.equal([sent[0]!.replyTo, sent[0]!.replyEarly], ["a", true]);
  assert.is(replies.size, 0);
});

test("submit() sends again what has an unknown outcome, and not what has started nothing", async () => {
  const { submit, sent } = submitTo(({ executionId }, tries) =>
    tries < 3 ? Promise.reject(away(true)) : Promise.resolve(executionId)
  );
  assert.is((await submit(parts)).executionId, "id-1");
  assert.equal(sent.map(({ executionId }) => executionId), ["id-1", "id-1", "id-1"]);
  const refused = submitTo(() => Promise.reject(away(false)));
  assert.is((await refusal(refused.submit(parts))).code, "unavailable");
  assert.is(refused.sent.length, 1);
});

test("submit() does not know the outcome of what has no answer by the deadline, and frees the place", async () => {
  const { submit, replies } = submitTo(() => new Promise(() => {}));
  const error = await refusal(submit({ ...parts, wait: { timeoutMs: 5 } }));
  assert.equal([error.code, executionIdOf(error), replies.size], ["outcome_unknown", "id-1", 0]);
});

test("submit() frees the place of a refused request", async () => {
  const { submit, replies } = submitTo(() => Promise.reject(new MillraceError("queue_full", "full")));
  assert.is((await refusal(submit({ ...parts, wait: { timeoutMs: 60_000 } }))).code, "queue_full");
  assert.is(replies.size, 0);
});

test("close() ends the waits for own executions and earlier ones, after the append, and lets nobody wait any more", async () => {
  let append = (_id: string) => {};
  const { submit, replies } = submitTo(() => new Promise((resolve) => append = resolve));
  const wait = { timeoutMs: 60_000 };
  const own = submit({ ...parts, wait });
  append("id-1");
  const { reply: ownReply } = await own;
  const earlier = submit({ ...parts, wait });
  append("id-0");
  const { executionId, replayed, reply } = await earlier;
  assert.equal([executionId, replayed], ["id-0", true]);
  let isAnswered = false;
  const late = submit({ ...parts, wait }).finally(() => isAnswered = true);
  replies.close("closing");
  assert.equal(await ownReply, { interrupted: "closing" });
  assert.equal(await reply, { interrupted: "closing" });
  assert.not(isAnswered);
  append("id-3");
  assert.equal(await (await late).reply, { interrupted: "closing" });
  assert.is((await refusal(submit({ ...parts, wait }))).code, "shutting_down");
  const unattended = submit(parts);
  append("id-5");
  assert.is((await unattended).executionId, "id-5");
});

test("a caller who goes ends its wait, and nobody waits past the limit", async () => {
  const { submit, replies } = submitTo(({ executionId }) => Promise.resolve(executionId));
  const controller = new AbortController();
  const { reply } = await submit({ ...parts, wait: { timeoutMs: 60_000 }, signal: () => controller.signal });
  controller.abort();
  assert.equal(await reply, { interrupted: "caller gone" });
  const waiters = ["x", "y"].map((id) => replies.wait(id, { timeoutMs: 60_000 }));
  assert.is((await refusal(submit({ ...parts, wait: { timeoutMs: 60_000 } }))).code, "too_many_waiters");
  for (const waiter of waiters) waiter.abandon();
  assert.is(replies.size, 0);
  const gone = replies.wait("z", { timeoutMs: 60_000, signal: () => controller.signal });
  assert.equal(await gone.reply, { interrupted: "caller gone" });
  assert.is(replies.size, 0);
});

test.run();
