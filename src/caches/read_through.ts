/**
 * Answers from a cache, and calls for what is not there: once, however many ask for it at once.
 *
 * Invariants:
 * 1. Of those who miss at once on this instance one calls; the others wait for what it stores, and look again by their own
 *    fields (what is stored may vary). Across instances a lock sees to the same.
 * 2. What may not be stored is nobody else's answer: then each of those who waited calls for itself, at once.
 * 3. What is stale and may be used as yet is given at once, and called for anew by one.
 * 4. Errors of the cache fail no request: when a lookup or a store fails, the answer comes from the call.
 */
import { sha256 } from "../lib/digest.ts";
import type { Locks } from "../locks/locks.ts";
import type { Lookup, UsableResponse, WebCache } from "./cache.ts";
import type { StoringOptions } from "./freshness.ts";
import { storedUrl, toResponse } from "./stored_response.ts";

/** How long is waited for another instance's call, and how long its lock lives without it, in milliseconds. */
const FLIGHT_MS = 10_000;

/** What an answer came from (RFC 9211). */
export interface CacheStatus {
  readonly lookup: Lookup;
  /** For how many seconds what was stored is fresh as yet; below 0 for what is stale. */
  readonly ttl?: number;
  /** It was called for, and stored. */
  readonly stored?: boolean;
  /** It was called for by another, and waited for. */
  readonly collapsed?: boolean;
}

/** An answer, and where it is from. */
export interface CachedAnswer {
  readonly response: Response;
  readonly status: CacheStatus;
}

/** How an answer is got. */
export interface ReadThroughOptions extends Pick<StoringOptions, "defaultLifetime"> {
  /** Where the response is looked up, and stored. */
  readonly cache: WebCache;
  /** The request that is answered. */
  readonly request: Request;
  /** Calls for the answer. */
  readonly load: () => Promise<Response>;
}

/** Options of {@linkcode ReadThrough}. */
export interface ReadThroughParts {
  /** Epoch milliseconds by the store's clock. */
  readonly now: () => number;
  /** Keeps instances from calling for the same at once; absent: each calls for itself. */
  readonly locks?: Locks | undefined;
  /** Called with errors of the cache, and of revalidations in the background. */
  readonly onError: (error: unknown) => void;
}

/** Reads through caches. */
export class ReadThrough {
  readonly #parts: ReadThroughParts;
  /** Calls under way, by cache and URL: true when the answer was stored. */
  readonly #flights = new Map<string, Promise<boolean>>();

  constructor(parts: ReadThroughParts) {
    this.#parts = parts;
  }

  /** An answer. Rejects as `load` does. */
  async respond(options: ReadThroughOptions): Promise<CachedAnswer> {
    const { cache, request } = options;
    const match = await this.#lookUp(options);
    if (match !== undefined) {
      cache.count(match);
      if (match.usability === "stale") this.#renew(options, match);
      return this.#answer(match);
    }
    const key = `${cache.name} ${storedUrl(request)}`;
    const flight = this.#flights.get(key);
    if (flight !== undefined && await flight) {
      const stored = await this.#lookUp(options);
      cache.count(stored);
      if (stored !== undefined) return this.#answer(stored, { collapsed: true });
      return await this.#load(options);
    }
    if (flight === undefined) return await this.#fly(key, options);
    cache.count(undefined);
    return await this.#load(options);
  }

  /** Calls once; requests that arrive meanwhile wait for the same call. */
  async #fly(key: string, options: ReadThroughOptions): Promise<CachedAnswer> {
    let land!: (isStored: boolean) => void;
    this.#flights.set(key, new Promise((resolve) => land = resolve));
    const landed = (isStored: boolean) => {
      this.#flights.delete(key);
      land(isStored);
    };
    const lock = await this.#parts.locks?.acquire(`cache ${await digestOf(key)}`, {
      waitMs: FLIGHT_MS,
      ttlMs: FLIGHT_MS,
    })
      .catch(() => undefined);
    const release = () => lock?.release().catch(this.#parts.onError);
    try {
      // Another instance may have stored it while its lock was waited for.
      const stored = lock && await this.#lookUp(options);
      options.cache.count(stored);
      if (stored !== undefined) {
        landed(true);
        void release();
        return this.#answer(stored, { collapsed: true });
      }
      return await this.#load(options, (isStored) => {
        landed(isStored);
        void release();
      });
    } catch (error) {
      landed(false);
      void release();
      throw error;
    }
  }

  /** Calls for an answer and stores it while it is read. */
  async #load(options: ReadThroughOptions, onStored: (isStored: boolean) => void = () => {}): Promise<CachedAnswer> {
    const { cache, request, load, defaultLifetime } = options;
    const response = await load();
    const keeping = { defaultLifetime, anyStatus: false };
    if (!cache.mayKeep(request, response, keeping)) {
      onStored(false);
      return { response, status: { lookup: "miss", stored: false } };
    }
    cache.keep(request, response.clone(), keeping).then(onStored, (error) => {
      onStored(false);
      this.#parts.onError(error);
    });
    return { response, status: { lookup: "miss", stored: true } };
  }

  /** Revalidates a stale response in the background, unless a revalidation is running. */
  #renew(options: ReadThroughOptions, { found }: UsableResponse): void {
    const renew = async () => {
      if (!await options.cache.claimRenewal(found)) return;
      const { response } = await this.#load(options);
      await response.body?.pipeTo(new WritableStream());
    };
    renew().catch(this.#parts.onError);
  }

  async #lookUp({ cache, request }: ReadThroughOptions): Promise<UsableResponse | undefined> {
    try {
      return await cache.lookUp(request);
    } catch (error) {
      this.#parts.onError(error);
      return undefined;
    }
  }

  #answer({ found, usability }: UsableResponse, how: { collapsed?: boolean } = {}): CachedAnswer {
    const response = toResponse(found, this.#parts.now());
    const ttl = Math.floor(found.response.lifetime) - Number(response.headers.get("age"));
    return { response, status: { lookup: usability === "fresh" ? "hit" : "stale", ttl, ...how } };
  }
}

async function digestOf(text: string): Promise<string> {
  const digest = await sha256(text);
  return [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
