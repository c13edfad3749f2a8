/**
 * A server whose answers wait until a test lets them go: what is under way is then told by the test, not by a clock.
 *
 * @example
 * ```ts
 * await using gates = await openGates();
 * const node = gates.node("one"); // An `httpRequest` that waits at the gate "one"
 * await gates.reached("one");
 * gates.open("one");
 * ```
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "../support/eventually.ts";

/** Gates by name. */
export interface Gates extends AsyncDisposable {
  /** A node, with the gate's name as its id, that completes with 7 once its gate is open. Needs `HTTP_ALLOW`. */
  node(name: string): { id: string; type: string; parameters: object };
  /** Waits until so many calls wait at a gate that is closed, one by default. */
  reached(name: string, count?: number): Promise<void>;
  /** Lets go who waits and who comes later. */
  open(name: string): void;
}

/** How long a caller waits at a gate before its node gives up, in seconds. */
const HELD_SECONDS = 600;

/** Listens on a free port of 127.0.0.1; all gates are closed. */
export async function openGates(): Promise<Gates> {
  const waiting = new Map<string, Set<ServerResponse>>();
  const opened = new Set<string>();
  const server = createServer((request, response) => {
    const name = request.url!.slice(1);
    response.setHeader("content-type", "application/json");
    if (opened.has(name)) return void response.end("7");
    const there = waiting.get(name) ?? new Set();
    waiting.set(name, there.add(response));
    response.once("close", () => there.delete(response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    node: (id) => ({
      id,
      type: "httpRequest",
      parameters: { url: `http://127.0.0.1:${port}/${id}`, timeoutSeconds: HELD_SECONDS },
    }),
    reached: async (name, count = 1) => {
      await eventually(() => (waiting.get(name)?.size ?? 0) >= count, `${count} at the gate ${name}`);
    },
    open: (name) => {
      opened.add(name);
      for (const response of waiting.get(name) ?? []) response.end("7");
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
