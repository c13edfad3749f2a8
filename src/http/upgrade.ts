/**
 * WebSockets under Node: the HTTP server hands over connections that ask for an upgrade, and the package `ws`
 * implements the protocol.
 *
 * 1. A WebSocket's handshake (RFC 6455, section 4.2.1) goes through the app like any request; the app may accept it.
 * 2. An offer of any other protocol is ignored, as RFC 9110, section 7.8, allows: the request goes back to the server
 *    without it. Java's client, for example, offers `h2c` with every request.
 * 3. A client that does not answer a ping before the next one is disconnected.
 */
import type { IncomingMessage, Server } from "node:http";
import { Readable } from "node:stream";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { ambiguousPathResponse, isAmbiguous, malformedRequestResponse } from "./frame/request_path.ts";
import { type MessageSocket, SUBPROTOCOL, type Upgrade } from "./protocol/web_socket.ts";

/** Interval of pings, in milliseconds. */
const PING_MS = 15_000;
/** The largest message of a client, in bytes: clients have no reason to send any. */
const MESSAGE_BYTES = 1024;

/** Answers a request, and may upgrade it. */
export type UpgradeHandler = (request: Request, upgrade: Upgrade) => Response | Promise<Response>;

/** Lets a server accept WebSockets; returns a function that ends the open ones. */
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
    let accepted: { onOpen: (socket: MessageSocket) => void; onFailure: () => void } | undefined;
    const upgrade: Upgrade = {
      accept(onOpen, onFailure) {
        accepted = { onOpen, onFailure };
        return new Response();
      },
    };
    answer(incoming, (request) => handler(request, upgrade)).then((response) => {
      if (accepted === undefined || response.status !== 200) return write(socket, response);
      const { onOpen } = accepted;
      const { socket: carrier } = incoming;
      sockets.handleUpgrade(incoming, socket, head, (opened) => {
        accepted = undefined;
        onOpen(messageSocket(opened, carrier));
      });
    }).catch(() => socket.destroy())
      // `ws` calls back before it returns, or never.
      .then(() => accepted?.onFailure());
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

function messageSocket(socket: WebSocket, carrier: Socket): MessageSocket {
  let isAlive = true;
  // A reset: closed in order, what waits for a reader who does not read would stay in the system.
  const terminate = () => void carrier.resetAndDestroy();
  const pinger = setInterval(() => {
    if (!isAlive) return terminate();
    isAlive = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => isAlive = true);
  socket.on("close", () => clearInterval(pinger));
  // The socket closes itself after an error.
  socket.on("error", () => {});
  return {
    send: (text) => socket.send(text),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: (code, reason) => socket.close(code, reason),
    terminate,
    onClose: (listener) => void socket.once("close", listener),
  };
}

function requestOf({ headers, rawHeaders, url = "/" }: IncomingMessage): Request {
  const sent = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) sent.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  return new Request(new URL(url, `http://${headers.host}`), { headers: sent });
}

/** Gives a connection back to the server, with its request unchanged but for the offer. */
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
