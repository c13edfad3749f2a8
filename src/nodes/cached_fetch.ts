/**
 * A `fetch` that answers from a cache what was called before, by the rules of RFC 9111: for `httpRequest` nodes.
 *
 * 1. The key has the method, the URL, and all headers that the node sets, credentials included, by their values.
 *    Headers that Millrace adds (idempotency key, trace) are not part of it.
 * 2. A redirect is a call of its own: each step goes by its own fields, and with what may be sent there.
 * 3. Responses that the node does not accept are not stored.
 * 4. A call may be somebody else's too, so it ends by its own deadline, not with the execution that made it.
 * 5. The cache fails nobody: what it cannot give is called for.
 */
import { BYPASSED, cacheStatus } from "../caches/cache_status.ts";
import { requestUnder } from "../caches/call_key.ts";
import type { Caches } from "../caches/caches.ts";
import { unlessAborted } from "../lib/delay.ts";
import { NodeError, RetryableError } from "../lib/errors.ts";
import type { NodeContext } from "../workflow/definition.ts";
import { readBody } from "./response_body.ts";

/** Options of {@linkcode createCachedFetch}. */
export interface CachedFetchOptions {
  /** The caches of the store. */
  readonly caches: Pick<Caches, "respond">;
  /** The cache's name. */
  readonly name: string;
  /** The lifetime, in seconds, of answers that say nothing of their own; 0: they are not kept. */
  readonly ttlSeconds: number;
  /** The largest body, in bytes; a larger one fails with `response_too_large`. */
  readonly maxBytes: number;
  /** How long a call may take, in milliseconds, with its body. */
  readonly timeoutMs: number;
  /** Names of the headers that the node sets itself, in lower case. */
  readonly chosen: ReadonlySet<string>;
  /** Throws for an answer that the node does not accept. */
  readonly check: (response: Response) => Promise<void>;
  /** Told how far a call of this node's own is, where its body takes long. */
  readonly progress: NodeContext["progress"];
  /** Called before each call. */
  readonly beforeCall: NodeContext["beforeCall"];
}

/** The calls that may be answered from a cache. */
export interface CachedFetch {
  (url: string, init: RequestInit & { method: string; headers: Headers; signal: AbortSignal }): Promise<Response>;
}

/** Makes a `fetch` for GET and HEAD whose answers carry `Cache-Status` (RFC 9211) and, when they were kept, `Age`. */
export function createCachedFetch(fetch: typeof globalThis.fetch, options: CachedFetchOptions): CachedFetch {
  const { caches, name, ttlSeconds, maxBytes, timeoutMs, chosen, check, progress, beforeCall } = options;
  return async function cachedFetch(url, init) {
    const { method, headers, signal } = init;
    const load = async ({ inBackground }: { inBackground: boolean }) => {
      const late = new AbortController();
      const timer = setTimeout(
        () => late.abort(new RetryableError("http_timeout", `No answer came within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
      try {
        await beforeCall?.({ keepsPlace: !inBackground });
        const response = await fetch(url, { ...init, signal: late.signal });
        await check(response);
        const bytes = await readBody(response, { maxBytes, signal: late.signal, progress });
        return remade(response, bytes);
      } finally {
        clearTimeout(timer);
      }
    };
    // A request's own Cache-Control says how it is answered, not what with (RFC 9111, section 5.2.1).
    const own = [...headers].filter(([header]) => chosen.has(header) && header !== "cache-control");
    const key = JSON.stringify([method, url.replace(/#.*$/s, ""), ttlSeconds, own]);
    const request = await requestUnder(key, headers);
    const respond = () => caches.respond(name, { request, load, defaultLifetime: ttlSeconds });
    const { response, status } = await unlessAborted(signal, respond);
    let bytes: Uint8Array;
    try {
      bytes = await readBody(response, { maxBytes, signal });
    } catch (error) {
      if (signal.aborted || error instanceof NodeError) throw error;
      // The cache went away, or let the body go, while it was read.
      return marked(await unlessAborted(signal, () => load({ inBackground: false })), BYPASSED);
    }
    return marked(remade(response, bytes), cacheStatus(status));
  };
}

function remade({ status, headers }: Response, bytes: Uint8Array): Response {
  return new Response(bytes.length === 0 ? null : bytes as Uint8Array<ArrayBuffer>, { status, headers: [...headers] });
}

/** Adds to the field, which lists the caches on the way (RFC 9211, section 2). */
function marked(response: Response, status: string): Response {
  response.headers.append("cache-status", status);
  return response;
}
