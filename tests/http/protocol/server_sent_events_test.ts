import { test } from "uvu";
import * as assert from "uvu/assert";
import { serverSentEvents, type ServerSentMessage } from "../../../src/http/protocol/server_sent_events.ts";

async function* messages(...batches: ServerSentMessage[][]): AsyncGenerator<ServerSentMessage[]> {
  yield* batches;
}

/** A source that gives one message after another for ever, and tells what happened to it. */
function endless() {
  const seen = { given: 0, ended: false };
  async function* source(signal: AbortSignal): AsyncGenerator<ServerSentMessage[]> {
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
async function* silent(signal: AbortSignal): AsyncGenerator<ServerSentMessage[]> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

test("serverSentEvents() writes id, event and every line of data", async () => {
  const stream = serverSentEvents(() => messages([{ id: "1-0", event: "a", data: "x\ny\r\nz" }], [{ data: "" }]));
  assert.is(await new Response(stream).text(), "id: 1-0\nevent: a\ndata: x\ndata: y\ndata: z\n\ndata: \n\n");
});

test("serverSentEvents() lets no field break out of its line", async () => {
  const stream = serverSentEvents(() => messages([{ id: "1\ndata: evil", event: "a\r\nid: 2", data: "x" }]));
  assert.is(await new Response(stream).text(), "id: 1data: evil\nevent: aid: 2\ndata: x\n\n");
});

test("serverSentEvents() asks its source for no more than the client takes", async () => {
  const { seen, source } = endless();
  const reader = serverSentEvents(source).getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(seen.given <= 3, `${seen.given} were given for one that was read`);
  await reader.cancel();
  assert.ok(seen.ended);
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
  async function* broken(): AsyncGenerator<ServerSentMessage[]> {
    yield [{ data: "x" }];
    throw new Error("lost");
  }
  const text = await new Response(serverSentEvents(broken, { onError: (error) => errors.push(error) })).text();
  assert.is(text, "data: x\n\n");
  assert.is((errors[0] as Error).message, "lost");
});

test.run();
