/**
 * What the workflows' `httpRequest` nodes call: it answers with what it got and remembers who called how often, by
 * the `Idempotency-Key` (`<executionId>:<nodeId>`).
 *
 * `POST /echo?waitMs=<ms>&fails=<n>` answers `{n}` after a wait, and with 503 the first `n` times that a key is seen.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** A server on a free port of 127.0.0.1. */
export class EchoServer implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  /** When each key was seen, in epoch milliseconds. */
  readonly #calls = new Map<string, number[]>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}/echo`;
    server.on("request", (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async open(): Promise<EchoServer> {
    const server = createServer({ keepAliveTimeout: 1000 }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new EchoServer(server);
  }

  /** When a node of an execution called, in epoch milliseconds. */
  callsOf(executionId: string, nodeId: string): readonly number[] {
    return this.#calls.get(`${executionId}:${nodeId}`) ?? [];
  }

  /** Frees what is known of an execution. */
  forget(executionId: string, nodeIds: Iterable<string>): void {
    for (const nodeId of nodeIds) this.#calls.delete(`${executionId}:${nodeId}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#server.listening) await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = new URL(request.url ?? "", "http://echo").searchParams;
    const key = String(request.headers["idempotency-key"] ?? "");
    const calls = this.#calls.get(key) ?? [];
    calls.push(Date.now());
    this.#calls.set(key, calls);
    const failing = calls.length <= Number(query.get("fails") ?? 0);
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    await sleep(Number(query.get("waitMs") ?? 0));
    const { n } = JSON.parse(text) as { n: number };
    response.writeHead(failing ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(failing ? { again: true } : { n }));
  }
}
