/**
 * The port of caches: responses, stored by cache and URL.
 */
import type { Freshness } from "./freshness.ts";

/** A request and its response, without the body. Header fields are in the order of `Headers`. */
export interface StoredResponse extends Freshness {
  /** Unique: a response that replaces this one has another id. */
  readonly id: string;
  /** URL of the request, without its fragment. */
  readonly url: string;
  readonly requestHeaders: readonly (readonly [name: string, value: string])[];
  /** The request's fields that the response's `Vary` names (see `vary.ts`). */
  readonly vary: readonly (readonly [name: string, value: string | null])[];
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Size of the body, in bytes; `null` for a response without a body. */
  readonly bytes: number | null;
  /** Epoch milliseconds by the store's clock. */
  readonly storedAt: number;
}

/** A stored response with its body, which can be read once. */
export interface FoundResponse {
  readonly response: StoredResponse;
  body(): ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

/** Options of {@linkcode CacheStore.put}. */
export interface PutOptions {
  /** How long the response is kept, in milliseconds. */
  readonly ttlMs: number;
  /** Ids of responses under the same URL that it replaces. */
  readonly replaces: readonly string[];
}

/** Counts of lookups in a cache, by outcome. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
  readonly stale: number;
  /** Bytes of the bodies of hits and stale responses. */
  readonly bytes: number;
}

/** The counts of one cache on one day. */
export interface CacheDay extends CacheCounts {
  readonly cache: string;
  /** A UTC date, such as `2026-11-26`. */
  readonly day: string;
}

/**
 * Stores caches. A name is any string. Past its limit of bytes a cache drops the responses that were stored first, and
 * past 50 under one URL the first of these: who calls chooses what they vary by.
 */
export interface CacheStore {
  /** Creates a cache unless it exists. */
  open(name: string): Promise<void>;
  has(name: string): Promise<boolean>;
  /** Removes a cache with its responses; false when it did not exist. */
  drop(name: string): Promise<boolean>;
  /** The names of all caches, in the order in which they were created. */
  names(): Promise<string[]>;
  /** The responses stored under a URL, oldest first. */
  find(name: string, url: string): Promise<FoundResponse[]>;
  /** All responses of a cache, oldest first, page by page. */
  list(name: string): AsyncIterable<readonly FoundResponse[]>;
  /**
   * Stores a response after its body has been read to the end. When reading fails, nothing changes.
   *
   * @param response everything but its `bytes`, which are counted while the body is read
   * @throws a `QuotaExceededError` (`DOMException`) where the room that is left is for executions; nothing changes then
   */
  put(
    name: string,
    response: StoredResponse,
    options: PutOptions & { body: AsyncIterable<Uint8Array> | null },
  ): Promise<void>;
  /** Removes responses; resolves with the number of those that existed. */
  remove(name: string, responses: readonly Pick<StoredResponse, "id" | "url">[]): Promise<number>;
  /** True for the first call with this word, and again for the first one after `forMs` milliseconds. */
  claim(name: string, word: string, forMs: number): Promise<boolean>;
  /** Adds to the stored counts. */
  count(counts: readonly CacheDay[]): Promise<void>;
  /** The counts of the given UTC dates. */
  counts(days: readonly string[]): Promise<CacheDay[]>;
}
