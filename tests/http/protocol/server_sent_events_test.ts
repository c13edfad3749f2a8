import { mock } from "node:test";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SourceMessage } from "../../../src/http/protocol/message_source.ts";
import { serverSentEvents } from "../../../src/http/protocol/server_sent_events.ts";

async function* messages(...batches: SourceMessage[][]): AsyncGenerator<SourceMessage[]> {
  yield* batches;
}

/** A source that gives one message after another for ever, and tells what happened to it. */
function endless() {
  const seen = { given: 0, ended: false };
  async function* source(signal: AbortSignal): AsyncGenerator<SourceMessage[]> {
    try {
      while (!signal.aborted) {
        seen.given++;
        yield [{ data: "x" }];
      }
    } finally {
      seen.ended = true;
    }
  }
  return { seen, source };
}

/** A source that gives nothing until its signal aborts. */
// deno-lint-ignore require-yield
async function* silent(signal: AbortSignal): AsyncGenerator<SourceMessage[]> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

async function assertRejects(work: () => Promise<unknown>): Promise<void> {
  const failed = await work().then(() => false, () => true);
  assert.ok(failed, "It did not fail");
}

test("serverSentEvents() writes id, event and every line of data", async () => {
  const stream = serverSentEvents(() => messages([{ id: "1-0", event: "a", data: "x\ny\r\nz" }], [{ data: "" }]));
  assert.is(await new Response(stream).text(), "id: 1-0\nevent: a\ndata: x\ndata: y\ndata: z\n\ndata: \n\n");
});

test("serverSentEvents() lets no field break out of its line", async () => {
  const stream = serverSentEvents(() => messages([{ id: "1\ndata: evil", event: "a\r\nid: 2", data: "x" }]));
  assert.is(await new Response(stream).text(), "id: 1data: evil\nevent: aid: 2\ndata: x\n\n");
});

test("serverSentEvents() asks its source for no more than may wait for the client", async () => {
  const { seen, source } = endless();
  const reader = serverSentEvents(source, { limitBytes: 20 }).getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(seen.given <= 5, `${seen.given} were given for one that was read`);
  await reader.cancel();
  assert.ok(seen.ended);
});

test("serverSentEvents() cuts who takes nothing of what waits, and not who takes it slowly", async () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  for (const reads of [0, 8]) {
    mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    const { seen, source } = endless();
    const errors: unknown[] = [];
    const stream = serverSentEvents(source, {
      limitBytes: 20,
      stallMs: 100,
      onError: (error) => errors.push(error),
    });
    const reader = stream.getReader();
    await turn();
    for (let read = 0; read < reads; read++) {
      mock.timers.tick(90);
      assert.not((await reader.read()).done);
      await turn();
    }
    assert.equal(errors, []);
    mock.timers.tick(100);
    await turn();
    mock.timers.reset();
    await assertRejects(async () => {
      for (;;) await reader.read();
    });
    assert.is((errors[0] as Error).name, "MessagesError");
    assert.ok(seen.ended);
  }
});

test("serverSentEvents() hangs up on who is cut, where it can", async () => {
  const { source } = endless();
  await new Promise<void>((hangUp) => {
    serverSentEvents(source, { limitBytes: 20, stallMs: 10, hangUp });
  });
});

test("serverSentEvents() cuts who takes nothing between two heartbeats while anything waits", async () => {
  async function* one(signal: AbortSignal): AsyncGenerator<SourceMessage[]> {
    yield [{ data: "x" }];
    yield* silent(signal);
  }
  await new Promise<void>((hangUp) => {
    serverSentEvents(one, { heartbeatMs: 10, hangUp });
  });
});

test("serverSentEvents() says when to come back, and where the client is without an event", async () => {
  const stream = serverSentEvents(() => messages([{ id: "7-0" }]), { retryMs: 1500.4 });
  assert.is(await new Response(stream).text(), "retry: 1500\n\nid: 7-0\n\n");
});

test("serverSentEvents() aborts its source when the client goes", async () => {
  let sourceSignal!: AbortSignal;
  const stream = serverSentEvents((signal) => silent(sourceSignal = signal));
  assert.not(sourceSignal.aborted);
  await stream.cancel();
  assert.ok(sourceSignal.aborted);
});

test("serverSentEvents() ends when its signal aborts", async () => {
  const controller = new AbortController();
  const text = new Response(serverSentEvents(silent, { signal: controller.signal })).text();
  controller.abort();
  assert.is(await text, "");
});

test("serverSentEvents() sends a comment while there is nothing else to send", async () => {
  const reader = serverSentEvents(silent, { heartbeatMs: 5 }).getReader();
  const { value } = await reader.read();
  assert.is(new TextDecoder().decode(value), ":\n\n");
  await reader.cancel();
});

test("serverSentEvents() ends, and says why, when its source throws", async () => {
  const errors: unknown[] = [];
  async function* broken(): AsyncGenerator<SourceMessage[]> {
    yield [{ data: "x" }];
    throw new Error("lost");
  }
  const text = await new Response(serverSentEvents(broken, { onError: (error) => errors.push(error) })).text();
  assert.is(text, "data: x\n\n");
  assert.is((errors[0] as Error).message, "lost");
});

test.run();
