/**
 * The port of caches: stored responses, by the cache and the URL that they were stored under.
 */
import type { Freshness } from "./freshness.ts";

/** A request and its response, without the response's body. Fields are in the order in which `Headers` gives them. */
export interface StoredResponse extends Freshness {
  /** Of this very response: what is stored in its place has another. */
  readonly id: string;
  /** Of the request, without its fragment. */
  readonly url: string;
  readonly requestHeaders: readonly (readonly [name: string, value: string])[];
  /** What the response varies by (see `vary.ts`). */
  readonly vary: readonly (readonly [name: string, value: string | null])[];
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `null` when it has no body at all. */
  readonly bytes: number | null;
  /** Epoch milliseconds by the store's clock. */
  readonly storedAt: number;
}

/** A stored response that was found, and its body, to be read once. */
export interface FoundResponse {
  readonly response: StoredResponse;
  body(): ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

/** What goes with a response that is stored. */
export interface PutOptions {
  /** How long it is kept, in milliseconds. */
  readonly ttlMs: number;
  /** Ids of responses under the same URL in whose place it comes. */
  readonly replaces: readonly string[];
}

/** What became of lookups in a cache. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
  readonly stale: number;
  /** Of the bodies of hits and of stale ones. */
  readonly bytes: number;
}

/** The counts of one cache on one day. */
export interface CacheDay extends CacheCounts {
  readonly cache: string;
  /** UTC, as `2026-11-26`. */
  readonly day: string;
}

/** Caches. Names may be any strings; of each cache the responses stored first go when it is over its limit. */
export interface CacheStore {
  /** Makes a cache if there is none of this name. */
  open(name: string): Promise<void>;
  has(name: string): Promise<boolean>;
  /** Removes a cache and all that is in it; false when there was none. */
  drop(name: string): Promise<boolean>;
  /** In the order in which they were made. */
  names(): Promise<string[]>;
  /** What is stored under a URL, in the order in which it was. */
  find(name: string, url: string): Promise<FoundResponse[]>;
  /** All that is stored, in the order in which it was, a page after the other. */
  list(name: string): AsyncIterable<readonly FoundResponse[]>;
  /**
   * Stores a response once its body has been read to the end. When that fails, nothing changes.
   *
   * @param response with `bytes` as yet unknown, unless it has no body
   */
  put(
    name: string,
    response: StoredResponse,
    options: PutOptions & { body: AsyncIterable<Uint8Array> | null },
  ): Promise<void>;
  /** Removes responses; how many there were. */
  remove(name: string, responses: readonly Pick<StoredResponse, "id" | "url">[]): Promise<number>;
  /** True for the first who asks for this word within `forMs` milliseconds. */
  claim(name: string, word: string, forMs: number): Promise<boolean>;
  /** Adds to the counts of a day. */
  count(counts: readonly CacheDay[]): Promise<void>;
  /** The counts of some days, as UTC dates. */
  counts(days: readonly string[]): Promise<CacheDay[]>;
}
