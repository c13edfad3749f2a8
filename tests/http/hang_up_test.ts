/**
 * How a server ends the connection of a reader who does not read: at once, and with all that waits for it.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Handler, listen } from "../../src/http/server.ts";
import { eventually } from "../support/eventually.ts";

const test = suite("hanging up");
/** More than a reader's side takes of what nobody reads, in bytes. */
const ENOUGH = 1 << 20;
const PIECE = "x".repeat(65_536);

/** Connects, sends this and reads nothing; then has the server hang up, and says how many bytes are still to be had. */
async function leftFor(handler: Handler, lines: readonly string[], hangUp: () => Promise<() => void>): Promise<number> {
  const server = await listen(handler, { hostname: "127.0.0.1", port: 0 });
  const socket: Socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.pause();
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    (await hangUp())();
    let bytes = 0;
    socket.on("data", (data) => bytes += data.length);
    // A reset is an error to some versions of Node, with which `once` would reject.
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    await closed;
    return bytes;
  } finally {
    socket.destroy();
    await server.close({ graceMs: 0 });
  }
}

test("what waits for a reader of a response is gone once the server hangs up", async () => {
  let written = 0;
  let hangUp = () => {};
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(PIECE));
      written += PIECE.length;
    },
  });
  const handler: Handler = (_request, connection) => {
    hangUp = () => connection.hangUp!();
    return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>);
  };
  const lines = ["GET / HTTP/1.1", "host: x"];
  const left = await leftFor(handler, lines, () => eventually(() => written > ENOUGH && hangUp, "as much waits"));
  assert.ok(left < ENOUGH / 2, String(left));
});

test("what waits for a reader of a WebSocket is gone once the server hangs up", async () => {
  let hangUp: (() => void) | undefined;
  const handler: Handler = (_request, { upgrade }) =>
    upgrade!.accept((socket) => {
      for (let sent = 0; sent < ENOUGH; sent += PIECE.length) socket.send(PIECE);
      hangUp = () => socket.terminate();
    }, () => {});
  const lines = [
    "GET / HTTP/1.1",
    "host: x",
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const left = await leftFor(handler, lines, () => eventually(() => hangUp, "it is open"));
  assert.ok(left < ENOUGH / 2, String(left));
});

test.run();
