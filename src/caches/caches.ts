/**
 * The caches of a store, in the shape of the Web's `CacheStorage` (Service Workers, section 5.5).
 *
 * @example
 * ```ts
 * const caches = new Caches({ store: store.caches, now: () => store.clock.now() });
 * const response = await (await caches.open("pages")).match(request);
 *
 * // Middleware that looks for `globalThis.caches` finds them there.
 * globalThis.caches = caches;
 * ```
 */
import { type CacheParts, WebCache } from "./cache.ts";
import type { CacheStore } from "./cache_store.ts";
import type { Locks } from "../locks/locks.ts";
import { type CachedAnswer, ReadThrough, type ReadThroughOptions } from "./read_through.ts";

/** Default of the largest body, in bytes: 8 MiB. */
const MAX_BODY_BYTES = 2 ** 23;
/** Default lifetime of responses without one of their own, in seconds: a day. */
const DEFAULT_LIFETIME = 86_400;

/** Options of {@linkcode Caches}. */
export interface CachesOptions extends Partial<Omit<CacheParts, "store" | "now">> {
  /** Where responses are kept. */
  readonly store: CacheStore;
  /** Epoch milliseconds by the store's clock. */
  readonly now: () => number;
  /** Let one instance at a time load a response in {@linkcode Caches.respond}; absent: each loads its own. */
  readonly locks?: Locks;
  /** Called with errors of the store in {@linkcode Caches.respond}, which goes on without it; by default nobody is. */
  readonly onError?: (error: unknown) => void;
}

/** {@linkcode globalThis.CacheStorage} over a store. */
export class Caches implements CacheStorage {
  readonly #parts: CacheParts;
  readonly #through: ReadThrough;

  constructor(options: CachesOptions) {
    this.#parts = {
      fetch: (...args) => fetch(...args),
      maxBodyBytes: MAX_BODY_BYTES,
      defaultLifetime: DEFAULT_LIFETIME,
      onLookup: () => {},
      ...options,
    };
    const { now, locks, onError = () => {} } = options;
    this.#through = new ReadThrough({ now, locks, onError });
  }

  /** Opens a cache, and creates it unless it exists. */
  async open(name: string): Promise<WebCache> {
    if (name === undefined) throw new TypeError("Expected the name of a cache");
    await this.#parts.store.open(String(name));
    return new WebCache(String(name), this.#parts);
  }

  has(name: string): Promise<boolean> {
    return this.#parts.store.has(String(name));
  }

  /** Removes a cache with its responses; false when it did not exist. */
  delete(name: string): Promise<boolean> {
    return this.#parts.store.drop(String(name));
  }

  /** The names of all caches, in the order in which they were created. */
  keys(): Promise<string[]> {
    return this.#parts.store.names();
  }

  /** The first usable response to a request, in one cache or in all. */
  async match(input: RequestInfo | URL, options: MultiCacheQueryOptions = {}): Promise<Response | undefined> {
    const { cacheName } = options;
    for (const name of cacheName === undefined ? await this.keys() : [cacheName]) {
      if (cacheName !== undefined && !await this.has(name)) return undefined;
      const response = await new WebCache(name, this.#parts).match(input, options);
      if (response !== undefined) return response;
    }
    return undefined;
  }

  /**
   * Answers a request from a cache, or by `load`, whose response is stored if it may be. Concurrent calls for the same
   * request share one call of `load`. Errors of the store are reported, and never fail the call.
   *
   * @param name name of the cache
   */
  async respond(name: string, options: Omit<ReadThroughOptions, "cache">): Promise<CachedAnswer> {
    return await this.#through.respond({ ...options, cache: new WebCache(name, this.#parts) });
  }
}
