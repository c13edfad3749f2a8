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

/** The largest body, in bytes, unless it is said otherwise: 8 MiB. */
const MAX_BODY_BYTES = 2 ** 23;
/** The lifetime of what says nothing of its own, in seconds: a day. */
const DEFAULT_LIFETIME = 86_400;

/** Options of {@linkcode Caches}. */
export interface CachesOptions extends Partial<Omit<CacheParts, "store" | "now">> {
  /** Where responses are kept. */
  readonly store: CacheStore;
  /** Epoch milliseconds by the store's clock. */
  readonly now: () => number;
  /** Keeps instances from calling for the same at once: see {@linkcode Caches.respond}. */
  readonly locks?: Locks;
  /** Called with errors of the cache in {@linkcode Caches.respond}, which then goes on without it. */
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

  /** A cache, made if there is none of this name. */
  async open(name: string): Promise<WebCache> {
    if (name === undefined) throw new TypeError("Expected the name of a cache");
    await this.#parts.store.open(String(name));
    return new WebCache(String(name), this.#parts);
  }

  has(name: string): Promise<boolean> {
    return this.#parts.store.has(String(name));
  }

  /** Removes a cache and all that is in it; false if there was none. */
  delete(name: string): Promise<boolean> {
    return this.#parts.store.drop(String(name));
  }

  /** The names of all caches, in the order in which they were made. */
  keys(): Promise<string[]> {
    return this.#parts.store.names();
  }

  /** The first response that may be used for a request, in one cache or in all. */
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
   * The answer to a request: what is stored, or what `load` gives, which is called once however many ask for it at once
   * and stored where it may be. A cache that cannot be asked fails nobody.
   *
   * @param name the cache
   */
  async respond(name: string, options: Omit<ReadThroughOptions, "cache">): Promise<CachedAnswer> {
    return await this.#through.respond({ ...options, cache: new WebCache(name, this.#parts) });
  }
}
