/**
 * WebSockets under Node: its HTTP server hands over a connection that asks for another protocol, and the rest is the
 * package `ws`.
 *
 * 1. A WebSocket's handshake (RFC 6455, section 4.2.1) goes through the app like any request, which accepts it or not.
 * 2. Any other protocol is none that is spoken here, and a request may always be answered in HTTP/1.1 (RFC 9110,
 *    section 7.8): it goes back to the server without the offer. Java's client, for one, offers `h2c` with each.
 * 3. A client that does not answer a ping by the next one is gone.
 */
import type { IncomingMessage, Server } from "node:http";
import { Readable } from "node:stream";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { ambiguousPathResponse, isAmbiguous, malformedRequestResponse } from "./frame/request_path.ts";
import { type MessageSocket, SUBPROTOCOL, type Upgrade } from "./protocol/web_socket.ts";

/** How often clients are asked for a sign of life, in milliseconds. */
const PING_MS = 15_000;
/** Clients have nothing to say, in bytes. */
const MESSAGE_BYTES = 1024;

/** Answers a request, over what can make a WebSocket of it. */
export type UpgradeHandler = (request: Request, upgrade: Upgrade) => Response | Promise<Response>;

/** Lets a server accept WebSockets; returns what ends those that are open. */
export function acceptWebSockets(
  server: Server,
  handler: UpgradeHandler,
): { terminate(): void } {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });
  server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    if (incoming.method !== "GET" || incoming.headers.upgrade?.toLowerCase() !== "websocket") {
      return withoutOffer(server, incoming, { socket, head });
    }
    let onOpen: ((socket: MessageSocket) => void) | undefined;
    const upgrade: Upgrade = {
      accept(open) {
        onOpen = open;
        return new Response();
      },
    };
    answer(incoming, (request) => handler(request, upgrade)).then((response) => {
      if (onOpen === undefined || response.status !== 200) return write(socket, response);
      sockets.handleUpgrade(incoming, socket, head, (opened) => onOpen!(messageSocket(opened)));
    }).catch(() => socket.destroy());
  });
  return {
    terminate: () => {
      for (const client of sockets.clients) client.terminate();
    },
  };
}

async function answer(
  incoming: IncomingMessage,
  handler: (request: Request) => Response | Promise<Response>,
): Promise<Response> {
  if (isAmbiguous(incoming.url ?? "")) return ambiguousPathResponse();
  let request: Request;
  try {
    request = requestOf(incoming);
  } catch {
    return malformedRequestResponse();
  }
  return await handler(request);
}

function messageSocket(socket: WebSocket): MessageSocket {
  let isAlive = true;
  const pinger = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => isAlive = true);
  socket.on("close", () => clearInterval(pinger));
  // It closes after an error, by itself.
  socket.on("error", () => {});
  return {
    send: (text) => socket.send(text),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    onClose: (listener) => void socket.once("close", listener),
  };
}

function requestOf({ headers, rawHeaders, url = "/" }: IncomingMessage): Request {
  const sent = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) sent.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  return new Request(new URL(url, `http://${headers.host}`), { headers: sent });
}

/** Gives a connection back to the server, with its request as it was but for the offer. */
function withoutOffer(server: Server, incoming: IncomingMessage, rest: { socket: Duplex; head: Buffer }): void {
  const { method, url, httpVersion, rawHeaders } = incoming;
  const { socket, head } = rest;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (!/^(connection|upgrade|http2-settings)$/i.test(rawHeaders[i]!)) {
      lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    }
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}

/** Answers in HTTP, and closes. */
function write(socket: Duplex, response: Response): void {
  const lines = [`HTTP/1.1 ${response.status} ${response.statusText}`, "connection: close"];
  for (const [name, value] of response.headers) if (name !== "connection") lines.push(`${name}: ${value}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (response.body === null) socket.end();
  else {Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]).on("error", () => socket.destroy())
      .pipe(socket);}
}
