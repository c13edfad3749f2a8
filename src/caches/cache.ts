/**
 * One cache, in the shape of the Web's `Cache` (Service Workers, section 5.4), shared by all instances.
 *
 * Unlike a browser's it follows `Cache-Control` (RFC 9111) as a shared cache. While `stale-while-revalidate` holds
 * (RFC 5861), the first lookup of a stale response is a miss, so that its caller revalidates; the others get it.
 *
 * @example
 * ```ts
 * await cache.put("https://example.com/", new Response("hello", { headers: { "cache-control": "max-age=60" } }));
 * const response = await cache.match("https://example.com/");
 * ```
 */
import type { CacheStore, FoundResponse } from "./cache_store.ts";
import { freshnessOf, type StoringOptions, usabilityOf } from "./freshness.ts";
import { checkResponse, matchesRequest, mayBeStored, refuseDuplicates, toLookedFor, toStorable } from "./requests.ts";
import { notCached, storedUrl, toRequest, toResponse, toStored } from "./stored_response.ts";

/** The longest that a response is kept, in milliseconds: 30 days. */
const MAX_TTL_MS = 30 * 86_400_000;
/** How long the caller that revalidates a response has for it, in milliseconds, before another one is chosen. */
const RENEWAL_MS = 10_000;

/** The outcome of a lookup: see {@linkcode CacheParts.onLookup}. */
export type Lookup = "hit" | "miss" | "stale";

/** What all caches of an instance share. */
export interface CacheParts {
  /** Where responses are kept. */
  readonly store: CacheStore;
  /** Epoch milliseconds by the store's clock. */
  readonly now: () => number;
  /** The function with which `add` fetches. */
  readonly fetch: typeof globalThis.fetch;
  /** The largest body, in bytes. */
  readonly maxBodyBytes: number;
  /** Lifetime of responses without one of their own, in seconds. */
  readonly defaultLifetime: number;
  /** Called after each lookup, with the bytes of the response's body; 0 for a miss. */
  readonly onLookup: (cache: string, lookup: Lookup, bytes: number) => void;
}

/** Options for storing a response without a lifetime of its own. */
export type KeepOptions = Pick<StoringOptions, "defaultLifetime" | "anyStatus">;

/** A response that may be used. */
export interface UsableResponse {
  readonly found: FoundResponse;
  readonly usability: "fresh" | "stale";
}

/** {@linkcode globalThis.Cache} over a store. */
export class WebCache implements Cache {
  readonly name: string;
  readonly #parts: CacheParts;

  constructor(name: string, parts: CacheParts) {
    this.name = name;
    this.#parts = parts;
  }

  /** The first response that may be used for a request, or `undefined`. */
  async match(input: RequestInfo | URL, options: CacheQueryOptions = {}): Promise<Response | undefined> {
    const request = toLookedFor(input, options);
    const match = request && await this.lookUp(request, options);
    const isUsed = match !== undefined && (match.usability === "fresh" || !await this.claimRenewal(match.found));
    this.count(isUsed ? match : undefined);
    return isUsed ? toResponse(match.found, this.#parts.now()) : undefined;
  }

  /** All usable responses to a request, or of the whole cache, in the order in which they were stored. */
  async matchAll(input?: RequestInfo | URL, options: CacheQueryOptions = {}): Promise<readonly Response[]> {
    const now = this.#parts.now();
    const request = input === undefined ? undefined : toLookedFor(input, options);
    if (request === undefined && input !== undefined) return [];
    const responses: Response[] = [];
    for await (const page of this.#candidates(request, options)) {
      for (const found of page) {
        const { response } = found;
        const asked = request ?? toRequest(response);
        if (usabilityOf(asked, response, now - response.storedAt) === "unusable") continue;
        if (request === undefined || await matchesRequest(request, found, options)) {
          responses.push(toResponse(found, now));
        }
      }
    }
    return responses;
  }

  /** Fetches a request and stores the response. Rejects with a `TypeError` unless its status is 2xx. */
  add(input: RequestInfo | URL): Promise<void> {
    return this.addAll([input as RequestInfo]);
  }

  /** Does what {@linkcode add} does for several requests: all responses are stored, or none. */
  async addAll(inputs: Iterable<RequestInfo>): Promise<void> {
    const requests = [...inputs].map(toStorable);
    const gone = new AbortController();
    let responses: Response[];
    try {
      responses = await Promise.all(requests.map(async (request) => {
        const response = await this.#parts.fetch(request, { signal: gone.signal });
        if (!response.ok) throw new TypeError(`Cannot cache ${request.url}: it was answered with ${response.status}`);
        checkResponse(response);
        return response;
      }));
      refuseDuplicates(requests, responses);
    } catch (error) {
      gone.abort();
      throw error;
    }
    const stored: FoundId[] = [];
    try {
      for (const [at, request] of requests.entries()) {
        const id = await this.#put(request, responses[at]!);
        if (id !== undefined) stored.push({ url: storedUrl(request), id });
      }
    } catch (error) {
      gone.abort();
      await this.#parts.store.remove(this.name, stored);
      throw error;
    }
  }

  /**
   * Stores a response once its body has been read, and removes those that match the same request. A response that a
   * shared cache must not store (RFC 9111, section 3) is read and dropped.
   *
   * @throws {TypeError} for a request that is no GET over HTTP, a partial response (206), `Vary: *`, and a used body
   * @throws a `QuotaExceededError` (`DOMException`) when it is too large, or Redis too full
   */
  async put(input: RequestInfo | URL, response: Response): Promise<void> {
    const request = toStorable(input);
    checkResponse(response);
    await this.#put(request, response);
  }

  /** Removes the responses that match; true if there were any. */
  async delete(input: RequestInfo | URL, options: CacheQueryOptions = {}): Promise<boolean> {
    const request = toLookedFor(input, options);
    if (request === undefined) return false;
    const matching: FoundId[] = [];
    for await (const page of this.#candidates(request, options)) {
      for (const found of page) if (await matchesRequest(request, found, options)) matching.push(found.response);
    }
    return matching.length > 0 && await this.#parts.store.remove(this.name, matching) > 0;
  }

  /** The requests of the stored responses, without credentials, in the order in which they were stored. */
  async keys(input?: RequestInfo | URL, options: CacheQueryOptions = {}): Promise<readonly Request[]> {
    const request = input === undefined ? undefined : toLookedFor(input, options);
    if (request === undefined && input !== undefined) return [];
    const requests: Request[] = [];
    for await (const page of this.#candidates(request, options)) {
      for (const found of page) {
        if (request === undefined || await matchesRequest(request, found, options)) {
          requests.push(toRequest(found.response));
        }
      }
    }
    return requests;
  }

  /** The newest usable response to a request (RFC 9111, section 4.1). */
  async lookUp(request: Request, options: CacheQueryOptions = {}): Promise<UsableResponse | undefined> {
    let best: UsableResponse | undefined;
    const now = this.#parts.now();
    for await (const page of this.#candidates(request, options)) {
      for (const found of page) {
        if (!await matchesRequest(request, found, options)) continue;
        const usability = usabilityOf(request, found.response, now - found.response.storedAt);
        if (usability !== "unusable") best = { found, usability };
      }
    }
    return best;
  }

  /** True for one caller at a time, which has to revalidate this stale response. */
  claimRenewal({ response: { id } }: FoundResponse): Promise<boolean> {
    return this.#parts.store.claim(this.name, id, RENEWAL_MS);
  }

  /** Counts a lookup that was made by {@linkcode lookUp}. */
  count(match: UsableResponse | undefined): void {
    const lookup = match === undefined ? "miss" : match.usability === "fresh" ? "hit" : "stale";
    this.#parts.onLookup(this.name, lookup, match?.found.response.bytes ?? 0);
  }

  /** True when a response may be stored (RFC 9111, section 3). */
  mayKeep(request: Request, response: Response, options: KeepOptions): boolean {
    return mayBeStored(response) &&
      freshnessOf(request, response, { ...options, now: this.#parts.now() }) !== undefined;
  }

  /** Stores like {@linkcode put}; resolves with false for a response that may not be stored. */
  async keep(request: Request, response: Response, options: KeepOptions): Promise<boolean> {
    return await this.#put(request, response, options) !== undefined;
  }

  /** Stores a response and resolves with its id, or with `undefined` when it may not be stored. */
  async #put(
    request: Request,
    response: Response,
    options: KeepOptions = { defaultLifetime: this.#parts.defaultLifetime, anyStatus: true },
  ): Promise<string | undefined> {
    const { store } = this.#parts;
    const storedAt = this.#parts.now();
    const freshness = freshnessOf(request, response, { ...options, now: storedAt });
    if (freshness === undefined) {
      await response.body?.cancel();
      return undefined;
    }
    const stored = await toStored(request, response, { freshness, storedAt });
    const body = response.body === null ? null : this.#bounded(response.body);
    const replaces: string[] = [];
    for (const found of await store.find(this.name, stored.url)) {
      if (await matchesRequest(request, found, {})) replaces.push(found.response.id);
    }
    const ttlMs = Math.min(MAX_TTL_MS, Math.ceil((freshness.lifetime - freshness.age + freshness.staleFor) * 1000));
    await store.put(this.name, stored, { body, replaces, ttlMs });
    return stored.id;
  }

  /** The chunks of a body; throws past the largest size. The caller's response is locked from then on. */
  async *#bounded(body: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
    const { maxBodyBytes } = this.#parts;
    const reader = body.getReader();
    let bytes = 0;
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        bytes += next.value.length;
        if (bytes > maxBodyBytes) throw notCached(`its body has more than ${maxBodyBytes} bytes`);
        yield next.value;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  /** The stored responses that may match: those under the request's URL, or all. */
  async *#candidates(
    request: Request | undefined,
    { ignoreSearch = false }: CacheQueryOptions,
  ): AsyncIterable<readonly FoundResponse[]> {
    const { store } = this.#parts;
    if (request === undefined || ignoreSearch) yield* store.list(this.name);
    else yield await store.find(this.name, storedUrl(request));
  }
}

type FoundId = Pick<FoundResponse["response"], "id" | "url">;
