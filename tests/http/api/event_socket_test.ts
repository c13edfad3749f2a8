/**
 * The WebSocket twin of the event streams, over a server that listens.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiTokens } from "../../../src/config/api_tokens.ts";
import { WebSocket } from "ws";
import { listen } from "../../../src/http/server.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { eventually } from "../../support/eventually.ts";
import { echo, finish, type Harness, type HarnessOptions, request, taken, withApp } from "../harness.ts";

type Message = { id?: string; event?: string; data?: Record<string, unknown> };

/** Runs a test with an app that listens. */
function withServer(
  options: HarnessOptions,
  run: (harness: Harness & { url: string }) => Promise<void>,
): Promise<void> {
  return withApp(options, async (harness) => {
    const server = await listen((request, connection) => harness.app.fetch(request, connection), {
      hostname: "127.0.0.1",
      port: 0,
    });
    try {
      await run({ ...harness, url: server.url });
    } finally {
      await server.close({ graceMs: 0 });
    }
  });
}

/** Opens a socket, and keeps what comes. */
function open(url: string, options: { headers?: Record<string, string>; protocols?: string[] } = {}) {
  const { protocols = [], headers = {} } = options;
  const socket = new WebSocket(url.replace("http", "ws"), protocols, { headers });
  const messages: Message[] = [];
  socket.on("message", (data) => messages.push(JSON.parse(data.toString())));
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  return { socket, messages, closed };
}

/** The status that a handshake is refused with. */
async function refused(url: string, options: Parameters<typeof open>[1] = {}): Promise<number> {
  const { socket } = open(url, options);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  response.resume();
  socket.terminate();
  return response.statusCode;
}

const events = ({ messages }: { messages: Message[] }) =>
  messages.filter(({ data }) => data !== undefined).map(({ event, data }) => [event, data!["executionId"]]);

test("/api/events/ws sends what /api/events does, by the same filters, and goes on from an id", () =>
  withServer({ work: echo }, async ({ store, url }) => {
    const all = open(`${url}/api/events/ws`);
    const ends = open(`${url}/api/events/ws?status=completed`);
    await eventually(() => all.messages.length + ends.messages.length === 2, "where both are");
    assert.equal(all.messages.map((message) => Object.keys(message)), [["id"]]);
    const id = uuidv7();
    await request(store, id);
    const expected = [["execution.requested", id], ["execution.completed", id]];
    await eventually(() => all.messages.length === 3 && ends.messages.length === 2, "the messages");
    assert.equal(events(all), expected);
    assert.equal(events(ends), [expected[1]]);
    for (const [from, left] of [[0, 2], [1, 1]] as const) {
      const again = open(`${url}/api/events/ws?from=${all.messages[from]!.id}`);
      await eventually(() => again.messages.length === left, "what was missed");
      assert.equal(again.messages, all.messages.slice(3 - left));
      again.socket.close();
    }
    for (const { socket, closed } of [all, ends]) {
      socket.close();
      await closed;
    }
  }));

test("/api/events/ws?execution= sends one execution's events, and closes after the last", () =>
  withServer({ work: () => "hold" }, async ({ store, claims, url }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const { messages, closed } = open(`${url}/api/events/ws?execution=${id}`);
    await eventually(() => messages.length === 1, "the history");
    await finish(store, claims[0]!, { status: "completed", output: 7 });
    assert.is(await closed, 1000);
    assert.equal(messages.map((message) => message.id), (await store.log.read(id)).map((event) => event.id));
  }));

test("/api/events/ws refuses what the streams refuse, and asks who does not upgrade to", () =>
  withServer({}, async ({ app, url }) => {
    const path = `${url}/api/events/ws`;
    assert.is(await refused(`${path}?type=node.exploded`), 400);
    assert.is(await refused(`${path}?from=x`), 400);
    assert.is(await refused(`${path}?execution=x`), 400);
    assert.is(await refused(`${path}?execution=${uuidv7()}`), 404);
    assert.is(await refused(`${url}/api/nothing`), 404);
    const response = await app.request("/api/events/ws");
    assert.equal([response.status, response.headers.get("upgrade")], [426, "websocket"]);
  }));

test("/api/events/ws lets go of what it would have sent when the handshake is refused, or the client goes", () =>
  withServer({ work: () => "hold" }, async ({ store, claims, url }) => {
    let [opened, open] = [0, 0];
    const counted = <A extends unknown[], T>(follow: (...args: A) => AsyncIterable<T>) =>
      async function* (...args: A): AsyncGenerator<T> {
        opened++;
        open++;
        try {
          yield* follow(...args);
        } finally {
          open--;
        }
      };
    const { projections, log } = store;
    projections.followFeed = counted(projections.followFeed.bind(projections));
    log.tail = counted(log.tail.bind(log));
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const [first] = await log.read(id);
    const key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const version = "sec-websocket-version: 13\r\n";
    const { port, host } = new URL(url);
    const handshake = (path: string, fields: string) => {
      const socket = connect(Number(port), "127.0.0.1").on("error", () => {});
      const head = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n`;
      socket.write(`${head}${fields}\r\n`);
      return socket;
    };
    for (const path of ["/api/events/ws", `/api/events/ws?execution=${id}&from=${first!.id}`]) {
      const before = opened;
      for (const fields of [version, key, `${key}${version}sec-websocket-protocol: millrace, millrace\r\n`]) {
        assert.match(await text(handshake(path, fields)), /^HTTP\/1\.1 400 /);
      }
      assert.is(opened, before + 3);
      await eventually(() => open === 0, "the sources of who was refused");
      const gone = handshake(path, key + version);
      await eventually(() => opened === before + 4, "the source of who goes");
      gone.resetAndDestroy();
      await eventually(() => open === 0, "the source of who has gone");
    }
  }));

test("/api/events/ws takes a token as a header or among the subprotocols, and no page of another origin", async () => {
  const token = "se/cr+et=";
  await withServer({ config: { apiTokens: apiTokens.parse(token) } }, async ({ url }) => {
    const path = `${url}/api/events/ws`;
    const headers = { authorization: `Bearer ${token}` };
    const offer = (text: string) => ["millrace", `bearer.${Buffer.from(text).toString("base64url")}`];
    assert.is(await refused(path), 401);
    assert.is(await refused(path, { protocols: offer("wrong-one") }), 401);
    assert.is(await refused(path, { headers: { ...headers, origin: "https://elsewhere.example" } }), 403);
    for (const options of [{ headers }, { protocols: offer(token) }, { headers: { ...headers, origin: url } }]) {
      const { socket, messages } = open(path, options);
      await eventually(() => messages.length === 1, "where it is");
      assert.is(socket.protocol, "protocols" in options ? "millrace" : "");
      socket.terminate();
    }
  });
});

test("/api/events/ws cuts who does not read, and nobody else", () =>
  withServer({ work: () => "hold", config: { followerLimitBytes: 1024 } }, async ({ store, claims, lines, url }) => {
    const id = uuidv7();
    await request(store, id);
    await taken(claims);
    const [idle, other] = [open(`${url}/api/events/ws?execution=${id}`), open(`${url}/api/events/ws?execution=${id}`)];
    await eventually(() => idle.messages.length + other.messages.length === 2, "both");
    idle.socket.pause();
    const data = "x".repeat(100_000);
    let sequence = claims[0]!.sequence;
    const cut = () => lines.some(({ fields }) => String(fields["error"]).includes("takes nothing"));
    await eventually(async () => {
      const event = { type: "node.progress", time: Date.now(), node: "hook", data } as const;
      await store.work.append(claims[0]!, { sequence: sequence++, events: [event] });
      return cut();
    }, "the cut");
    await eventually(() => other.messages.length === sequence, "all that the other one is to get");
    other.socket.terminate();
    idle.socket.terminate();
  }));

test("a request that offers another protocol is answered in HTTP/1.1, with its body", () =>
  withServer({ work: echo }, async ({ url }) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const [body, host] = ['{"n":1}', new URL(url).host];
    socket.write(
      `POST /webhook/orders HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n` +
        `http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
    let answer = "";
    socket.setEncoding("utf8").on("data", (text) => answer += text);
    await eventually(() => answer.includes('"n":1'), "the answer");
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    socket.destroy();
  }));

test.run();
