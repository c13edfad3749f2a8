/**
 * Listens for requests: `Deno.serve` under Deno, `@hono/node-server` under Node.
 */
import { getRequestListener, RequestError } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { MillraceError } from "../lib/errors.ts";
import type { AppEnv } from "./frame/deps.ts";
import { problemResponse } from "./protocol/problem.ts";
import { acceptWebSockets } from "./upgrade.ts";
import { SUBPROTOCOL, type Upgrade } from "./protocol/web_socket.ts";
import { RawHeaders } from "./frame/sent_headers.ts";
import { ambiguousPathResponse, isAmbiguous, malformedRequestResponse } from "./frame/request_path.ts";

/** A listening server. */
export interface Listener {
  /** Its URL. */
  readonly url: string;
  /** Stops accepting, waits at most `graceMs` for pending responses, and closes all connections. */
  close(options: { graceMs: number }): Promise<void>;
}

/** Longer than load balancers keep idle connections, so that they close them first and never send on a closing one. */
const KEEP_ALIVE_MS = 65_000;

/** The most connections that wait to be accepted; the system resets further ones. Node's default is 511. */
const BACKLOG = 4096;

/** Answers a request; `connection` gives access to its connection. */
export type Handler = (request: Request, connection: AppEnv["Bindings"]) => Response | Promise<Response>;

/** The part of Deno that is used here. */
interface DenoHttp {
  upgradeWebSocket(request: Request, options: { protocol?: string }): { socket: WebSocket; response: Response };
  serve(
    options: { hostname: string; port: number; onListen(): void },
    handler: (request: Request, info: { remoteAddr: { hostname: string } }) => Response | Promise<Response>,
  ): { readonly addr: { port: number }; shutdown(): Promise<void> };
}

/** Listens on an address; port 0 takes a free one. Rejects when the address is not available. */
export async function listen(handler: Handler, options: { hostname: string; port: number }): Promise<Listener> {
  const deno = (globalThis as { Deno?: DenoHttp }).Deno;
  if (deno !== undefined) return listenOnDeno(deno, handler, options);
  const server = createServer(getRequestListener(
    // The target as it was sent: the URL of a `Request` has been normalised.
    (request, { incoming }) => {
      if (isAmbiguous(incoming.url ?? "")) return ambiguousPathResponse();
      // A reset: closed in order, what waits for a reader who does not read would stay in the system, megabytes of it.
      return handler(request, {
        hangUp: () => incoming.socket.resetAndDestroy(),
        peer: () => incoming.socket.remoteAddress,
        headers: () => new RawHeaders((incoming as IncomingMessage).rawHeaders),
        takeBody: (bytes) => takeBody(incoming as IncomingMessage, bytes),
        endBody: () => endBody(incoming as IncomingMessage),
      });
    },
    { errorHandler: (error) => error instanceof RequestError ? malformedRequestResponse() : problemResponse(error) },
  ));
  const sockets = acceptWebSockets(server, (request, upgrade) => handler(request, { upgrade }));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A body may take as long as it goes on coming: who reads it has limits of their own. The head has Node's minute.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.hostname, BACKLOG, resolve);
  });
  return {
    url: urlOf(options.hostname, (server.address() as AddressInfo).port),
    close: ({ graceMs }) => closeNode(server, { graceMs, endAll: () => sockets.terminate() }),
  };
}

/** Without listening to a stream, which costs more than all else that a small body does. */
function takeBody(incoming: IncomingMessage, bytes: number): Uint8Array | undefined {
  if (incoming.readableDidRead || incoming.readableLength !== bytes) return undefined;
  const { buffer, byteOffset, byteLength } = incoming.read() as Buffer<ArrayBuffer>;
  endSoon(incoming);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Requests whose bodies were taken in this turn, and whose ends are still to be read. */
let taken: IncomingMessage[] = [];

/**
 * Reads a body to its end in the next turn: clients send in the immediates of this one, and nobody waits for the end of a
 * body, but a caller does for what is sent.
 */
function endSoon(incoming: IncomingMessage): void {
  if (taken.push(incoming) > 1) return;
  setImmediate(() => {
    const ending = taken;
    taken = [];
    setImmediate(() => {
      for (const one of ending) endBody(one);
    });
  });
}

function endBody(incoming: IncomingMessage): void {
  if (incoming.readableDidRead && incoming.readableFlowing === null) incoming.resume();
}

/** `close` waits for idle keep-alive connections too, so these are closed repeatedly, as they become idle. */
function closeNode(
  server: Server,
  { graceMs, endAll }: { graceMs: number; endAll: () => void },
): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    const all = setTimeout(() => {
      server.closeAllConnections();
      endAll();
    }, graceMs);
    server.close(() => {
      clearInterval(idle);
      clearTimeout(all);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function listenOnDeno(deno: DenoHttp, handler: Handler, options: { hostname: string; port: number }): Listener {
  const guarded = (request: Request, { remoteAddr }: { remoteAddr: { hostname: string } }) => {
    if (isAmbiguous(pathOf(request.url))) return ambiguousPathResponse();
    const peer = () => remoteAddr.hostname;
    return handler(request, request.headers.has("upgrade") ? { peer, upgrade: denoUpgrade(deno, request) } : { peer });
  };
  const server = deno.serve({ ...options, onListen: () => {} }, guarded);
  return {
    url: urlOf(options.hostname, server.addr.port),
    close: ({ graceMs }) => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs));
      return Promise.race([server.shutdown(), late]);
    },
  };
}

function denoUpgrade(deno: DenoHttp, request: Request): Upgrade {
  return {
    accept(onOpen, onFailure) {
      const offered = request.headers.get("sec-websocket-protocol")?.split(/\s*,\s*/) ?? [];
      const protocol = offered.includes(SUBPROTOCOL) ? { protocol: SUBPROTOCOL } : {};
      let upgraded: ReturnType<DenoHttp["upgradeWebSocket"]>;
      try {
        upgraded = deno.upgradeWebSocket(request, protocol);
      } catch (error) {
        onFailure();
        throw new MillraceError("malformed_request", "The handshake is not that of RFC 6455", { cause: error });
      }
      const { socket, response } = upgraded;
      socket.onerror = onFailure;
      socket.onopen = () => {
        socket.onerror = null;
        onOpen({
          send: (text) => socket.send(text),
          get bufferedBytes() {
            return socket.bufferedAmount;
          },
          close: (code, reason) => socket.close(code, reason),
          terminate: () => socket.close(),
          onClose: (listener) => socket.addEventListener("close", listener, { once: true }),
        });
      };
      return response;
    },
  };
}

/** Deno gives the path as it was sent, behind the host. */
function pathOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

function urlOf(hostname: string, port: number): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
