import fc from "fast-check";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BodyBudget } from "../../src/http/protocol/body_budget.ts";
import { readBytes } from "../../src/http/protocol/request_body.ts";
import { listen } from "../../src/http/server.ts";
import { pause } from "../../src/lib/delay.ts";

const NAMES = ["Accept", "ACCEPT", "Cookie", "cookie", "X-A", "x-a", "Set-Cookie", "__proto__", "constructor", "Age"];
const anyHeaders = fc.array(
  fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom("1", "a=b", "text/html, */*", "", " x  y ", "ÿ")),
  { maxLength: 8 },
);

test("the headers of a connection are what its Headers have", async () => {
  const server = await listen(
    ({ headers: whole }, { headers }) => Response.json({ given: [...headers!()], expected: [...whole] }),
    { hostname: "127.0.0.1", port: 0 },
  );
  try {
    await fc.assert(
      fc.asyncProperty(anyHeaders, async (headers) => {
        const { given, expected } = await answerTo(server.url, ["Host", "here", ...headers.flat()]);
        const single = (expected as [string, string][]).filter(([name]) => name !== "set-cookie");
        assert.equal((given as [string, string][]).filter(([name]) => name !== "set-cookie"), single);
      }),
      { numRuns: 100 },
    );
  } finally {
    await server.close({ graceMs: 0 });
  }
});

test("bodies are read whole, however they are cut and though they come one behind the other", async () => {
  const bodies = new BodyBudget({ limitBytes: 1_000_000 });
  let taken = 0;
  let isAsked = () => {};
  const server = await listen(async (request, { takeBody }) => {
    const take = (bytes: number) => {
      const body = takeBody!(bytes);
      if (body === undefined) isAsked();
      else taken++;
      return body;
    };
    const share = bodies.open();
    const bytes = await readBytes(request, { limitBytes: 100_000, stallMs: 600_000, share, take });
    share.close();
    return new Response(bytes as Uint8Array<ArrayBuffer>);
  }, { hostname: "127.0.0.1", port: 0 });
  try {
    const anyBodies = fc.array(fc.string({ maxLength: 300, size: "max" }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(anyBodies, fc.array(fc.nat(2000), { maxLength: 4 }), async (texts, cuts) => {
        const sent = Buffer.concat(texts.map((text, n) => {
          const connection = n === texts.length - 1 ? "close" : "keep-alive";
          const length = Buffer.byteLength(text);
          const head =
            `POST / HTTP/1.1\r\nhost: here\r\nconnection: ${connection}\r\ncontent-length: ${length}\r\n\r\n`;
          return Buffer.from(head + text);
        }));
        const socket = connect(Number(new URL(server.url).port), "127.0.0.1").setNoDelay(true);
        const answer = buffer(socket);
        let from = 0;
        for (const to of [...cuts.sort((a, b) => a - b), sent.length]) {
          await new Promise((resolve) => socket.write(sent.subarray(from, to), resolve));
          from = Math.min(to, sent.length);
          await pause(1);
        }
        const answers = (await answer).toString().split(/HTTP\/1\.1 200 OK\r\n.*?\r\n\r\n/s).slice(1);
        assert.equal(answers, texts);
      }),
      { numRuns: 100 },
    );
    assert.ok(taken > 0, "none came with its head");
    const late = connect(Number(new URL(server.url).port), "127.0.0.1");
    const asked = new Promise<void>((resolve) => isAsked = resolve);
    late.write("POST / HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 4\r\n\r\n");
    await asked;
    late.write("late");
    assert.match((await buffer(late)).toString(), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nlate$/s);
  } finally {
    await server.close({ graceMs: 0 });
  }
});

test("a body that was taken is read to its end after what is sent in its turn, or once there is an answer", async () => {
  const ends: boolean[] = [];
  let incoming: IncomingMessage | undefined;
  const onRequest = (message: unknown) => incoming = (message as { request: IncomingMessage }).request;
  subscribe("http.server.request.start", onRequest);
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const server = await listen(async ({ url }, { takeBody, endBody }) => {
    // As a webhook's call does: the body comes behind the head.
    await undefined;
    assert.is(String.fromCharCode(...takeBody!(4)!), "here");
    if (url.endsWith("/answered")) endBody!();
    for (let i = 0; i < 4; i++) {
      await turn();
      ends.push(incoming!.readableEnded);
    }
    return new Response();
  }, { hostname: "127.0.0.1", port: 0 });
  try {
    const response = await fetch(server.url, { method: "POST", body: "here" });
    assert.is(response.status, 200);
    assert.is(ends[0], false, "what is sent in the immediates of its turn goes out before");
    assert.is(ends.at(-1), true);
    ends.length = 0;
    await fetch(`${server.url}/answered`, { method: "POST", body: "here" });
    assert.equal(ends, [true, true, true, true]);
  } finally {
    unsubscribe("http.server.request.start", onRequest);
    await server.close({ graceMs: 0 });
  }
});

function answerTo(url: string, headers: string[]): Promise<{ given: unknown; expected: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: headers as never, agent: false }, async (response) => {
      let text = "";
      for await (const part of response.setEncoding("utf8")) text += part;
      resolve(JSON.parse(text));
    });
    sent.on("error", reject).end();
  });
}

test.run();
