/**
 * What the workflows' `httpRequest` nodes call: it answers with what it got and remembers who called how often, by
 * the `Idempotency-Key` (`<executionId>:<nodeId>`).
 *
 * `POST /echo?waitMs=<ms>&fails=<n>&gate=<name>` answers `{n}` after a wait, with 503 the first `n` times that a key is
 * seen, and not before its gate is opened, if it names one.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Breach } from "./breach.ts";

/** Looks at an execution at the moment of a node's `nth` call (from 1), and says what is wrong with that. */
export type Inspector = (call: { executionId: string; node: string; nth: number }) => Promise<Breach | undefined>;

/** A server on a free port of 127.0.0.1. */
export class EchoServer implements AsyncDisposable {
  readonly url: string;
  /** What the inspector found. */
  readonly breaches: Breach[] = [];
  inspector: Inspector | undefined;
  readonly #server: Server;
  /** When each key was seen, in epoch milliseconds. */
  readonly #calls = new Map<string, number[]>();
  /** How to let go who waits at each gate; `undefined` once it is open. */
  readonly #gates = new Map<string, Set<() => void> | undefined>();
  readonly #left = new Map<string, number>();

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

  /** How many calls wait at a gate now. */
  waiting(gate: string): number {
    return this.#gates.get(gate)?.size ?? 0;
  }

  /** How many callers left a gate before it was opened. */
  left(gate: string): number {
    return this.#left.get(gate) ?? 0;
  }

  /** Lets go who waits at a gate, and who comes later. */
  openGate(gate: string): void {
    const waiting = this.#gates.get(gate);
    this.#gates.set(gate, undefined);
    for (const go of waiting ?? []) go();
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
    const nth = calls.length;
    const [executionId = "", node = ""] = key.split(":");
    this.inspector?.({ executionId, node, nth }).then((breach) => {
      if (breach !== undefined) this.breaches.push(breach);
    }, () => {});
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const gate = query.get("gate") ?? "";
    if (gate !== "") await this.#wait(gate, response);
    await sleep(Number(query.get("waitMs") ?? 0));
    const failing = nth <= Number(query.get("fails") ?? 0);
    const { n } = JSON.parse(text) as { n: number };
    response.writeHead(failing ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(failing ? { again: true } : { n }));
  }

  async #wait(gate: string, response: ServerResponse): Promise<void> {
    if (this.#gates.has(gate) && this.#gates.get(gate) === undefined) return;
    const waiting = this.#gates.get(gate) ?? new Set();
    this.#gates.set(gate, waiting);
    await new Promise<void>((resolve) => {
      waiting.add(resolve);
      response.once("close", () => {
        if (waiting.delete(resolve) && this.#gates.get(gate) !== undefined) {
          this.#left.set(gate, this.left(gate) + 1);
        }
        resolve();
      });
    });
  }
}
