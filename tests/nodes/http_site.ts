/**
 * A local server for `httpRequest` nodes to call, and the calls.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import * as assert from "uvu/assert";
import type { Caches } from "../../src/caches/caches.ts";
import type { TerminalError } from "../../src/lib/errors.ts";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import { createGuardedFetch } from "../../src/nodes/guarded_fetch.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import type { NodeContext } from "../../src/workflow/definition.ts";
import type { NodeTypes } from "../../src/workflow/node_type.ts";
import type { TakeTurn } from "../../src/workflow/node_rate_limit.ts";
import { contextOf } from "../expression/scope.ts";

/** A request that a server received. */
export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

/** What may be called, unless a test says otherwise. */
const USUAL = ["127.0.0.1"];

/** Requests that the site received, oldest first. */
export const seen: Seen[] = [];

/** How `/drip` answers, and until when. */
export const drip = { headers: {} as Record<string, string>, isOver: false };

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Not counted: it may come after the test that asked for it.
  if (request.url?.startsWith("/never")) return;
  let body = "";
  for await (const chunk of request) body += String(chunk);
  const { method = "", url = "", headers } = request;
  seen.push({ method, url, headers, body });
  const path = new URL(url, "http://x").pathname;
  const status = /^\/status\/(\d+)/.exec(path)?.[1];
  if (status !== undefined) {
    response.writeHead(Number(status), { "content-type": "text/plain" }).end(`status ${status}`);
  } else if (path === "/redirect") {
    const { searchParams } = new URL(url, "http://x");
    response.writeHead(Number(searchParams.get("status") ?? 302), { location: searchParams.get("to") ?? "" }).end();
  } else if (path === "/loop") response.writeHead(302, { location: "/loop" }).end();
  else if (path === "/slow") response.writeHead(200).write("a");
  else if (path === "/drip") {
    // Bytes, one by one, until whoever asked has heard enough.
    response.writeHead(200, { "content-type": "text/plain", ...drip.headers });
    const timer = setInterval(() => {
      if (!drip.isOver) return response.write("x");
      clearInterval(timer);
      if ("content-length" in drip.headers) response.destroy();
      else response.end();
    }, 5);
    response.on("close", () => clearInterval(timer));
  } else if (path === "/endless") {
    response.writeHead(200, { "content-type": "text/plain" });
    const timer = setInterval(() => response.write("x".repeat(65_536)), 1);
    response.on("close", () => clearInterval(timer));
  } else if (path === "/binary") {
    response.writeHead(200, { "content-type": "image/png" }).end(new Uint8Array([0, 255, 1]));
  } else if (path === "/latin1") {
    response.writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" }).end(new Uint8Array([0xe9]));
  } else if (path === "/notjson") response.writeHead(200, { "content-type": "application/json" }).end("{oops");
  else if (path === "/deep") {
    response.writeHead(200, { "content-type": "application/json" }).end("[".repeat(5000) + "]".repeat(5000));
  } else if (path === "/infinite") {
    response.writeHead(200, { "content-type": "application/json" }).end('{"n":[1e400]}');
  } else if (path === "/fields") {
    // Answers after a while, with the fields that its query names.
    const fields = Object.fromEntries(new URL(url, "http://x").searchParams);
    setTimeout(() => response.writeHead(200, { "content-type": "text/plain", ...fields }).end(`${seen.length}`), 30);
  } else if (path === "/cookies") response.writeHead(204, { "set-cookie": ["a=1", "b=2"] }).end();
  else response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end('{"ok":true}');
}

/** Starts the site on a free port of 127.0.0.1. */
export async function openSite(): Promise<{ port: number; origin: string; close: () => void }> {
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, origin: `http://127.0.0.1:${port}`, close };
}

/** The node types of a cache, made once: their schemas cost more than a call. */
const typesOf = new WeakMap<Caches, NodeTypes>();

function cachedTypes(caches: Caches): NodeTypes {
  const known = typesOf.get(caches);
  if (known !== undefined) return known;
  // Each call has connections of its own all the same.
  const fetch: typeof globalThis.fetch = (...args) => createGuardedFetch({ allow: USUAL })(...args);
  const types = createNodeTypes({ fetch, caches });
  typesOf.set(caches, types);
  return types;
}

/** Runs an `httpRequest` node. */
export function call(
  parameters: object,
  options: {
    allow?: string[];
    context?: Partial<NodeContext>;
    lookup?: LookupFunction;
    input?: JsonValue;
    caches?: Caches;
    /** Of the node, beside its parameters. */
    node?: object;
    takeTurn?: TakeTurn;
  } = {},
) {
  const { allow = USUAL, context = {}, lookup, input = {}, caches, node, takeTurn } = options;
  const nodeTypes = caches !== undefined && allow === USUAL && lookup === undefined
    ? cachedTypes(caches)
    : createNodeTypes({ fetch: createGuardedFetch({ allow, ...(lookup && { lookup }) }), caches });
  const { run } = compileDefinition({
    nodes: [{ id: "start", type: "manual" }, { id: "node", type: "httpRequest", parameters, ...node }],
    connections: [{ from: "start", to: "node" }],
  }, { nodeTypes, takeTurn });
  return Promise.resolve(run.get("node")!(contextOf(input, context)));
}

/** The output of an `httpRequest` node. */
export async function answer(parameters: object, options?: Parameters<typeof call>[1]): Promise<JsonObject> {
  const result = await call(parameters, options);
  assert.ok("output" in result, "it did not end");
  return result.output as JsonObject;
}

/** The error of an `httpRequest` node. */
export async function failure(parameters: object, options?: Parameters<typeof call>[1]): Promise<TerminalError> {
  const error = await call(parameters, options).then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof Error, "it did not fail");
  return error as TerminalError;
}

/** A resolver that answers the same for every name. */
export function resolver(...addresses: string[]): LookupFunction {
  return (_hostname, _options, callback) => {
    const all = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    (callback as (error: null, found: typeof all) => void)(null, all);
  };
}
